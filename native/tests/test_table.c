/* The process table: from embryo to reaping, and who is taken for dead. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../crash_point.h"
#include "../os/clock.h"
#include "../os/life.h"
#include "family.h"

static struct slot *slot_of(uint32_t tag)
{
    return table_slot(&family, tag_index(tag));
}

static uint32_t reserve(void)
{
    uint32_t tag;
    CHECK_EQUAL(table_reserve(&family, &tag), STATUS_OK);
    return tag;
}

static uint64_t references_of(struct handle handle)
{
    return word_get(&block_of(arena_at(&family, handle.payload))->references);
}

static void do_nothing(void *with)
{
    (void)with;
}

static void sleep_on(void *with)
{
    (void)with;
    for (;;)
        pause();
}

/* A pid that was used and whose process has ended and been waited for. */
static pid_t dead_pid(void)
{
    pid_t pid = child_start(do_nothing, NULL);
    CHECK_EQUAL(child_end(pid), 0);
    return pid;
}

/* ---- being born */

TEST(an_embryo_given_up_is_no_ones_to_adopt)
{
    family_found(SMALL_RESERVE);
    struct handle block = family_block(10);
    uint32_t tag = reserve();
    CHECK_EQUAL(table_copy_holdings(&family, tag), STATUS_OK);
    CHECK_EQUAL(references_of(block), 2);
    table_abandon(&family, tag);

    CHECK_EQUAL(references_of(block), 1);
    CHECK(!table_is_alive(&family, tag));
    CHECK_EQUAL(table_adopt(&family, tag), STATUS_STALE);
    CHECK(reserve() != tag);
    family_check();
}

TEST(an_embryo_whose_parent_lives_waits_for_its_process)
{
    family_found(SMALL_RESERVE);
    uint32_t tag = reserve();
    atomic_store(&slot_of(tag)->born, 0);

    CHECK_EQUAL(table_reap_dead(&family), 0);
    CHECK(table_is_alive(&family, tag));
}

static void reserve_and_die(void *with)
{
    *(uint32_t *)with = reserve();
}

TEST(an_embryo_whose_parent_died_is_given_time_and_then_given_up)
{
    family_found(SMALL_RESERVE);
    uint32_t *tag = shared_memory(PAGE_BYTES);
    CHECK_EQUAL(family_end(family_start(reserve_and_die, tag)), 0);

    CHECK_EQUAL(table_reap_dead(&family), 0);
    CHECK(table_is_alive(&family, *tag));
    atomic_store(&slot_of(*tag)->born, 0);
    CHECK_EQUAL(table_reap_dead(&family), 1);
    CHECK(!table_is_alive(&family, *tag));
    family_check();
}

/* os.fork() does not tell the core the child's pid; a child killed at once never tells it either. */
TEST(a_fork_killed_before_it_took_its_slot_does_not_keep_it)
{
    family_found(SMALL_RESERVE);
    uint32_t tag = reserve();
    pid_t pid = child_start(sleep_on, NULL); /* never adopts */
    table_forked(&family, tag);

    CHECK(table_is_alive(&family, tag));
    CHECK_EQUAL(word_get(&slot_of(tag)->pid), pid);
    child_kill(pid);
    CHECK_EQUAL(table_reap_dead(&family), 1);
    family_check();
}

TEST(a_fork_that_failed_keeps_its_slot_for_a_while_only)
{
    family_found(SMALL_RESERVE);
    uint32_t tag = reserve();
    table_forked(&family, tag); /* there is no child */

    CHECK(table_is_alive(&family, tag));
    atomic_store(&slot_of(tag)->born, 0);
    CHECK_EQUAL(table_reap_dead(&family), 1);
    family_check();
}

static void adopt(void *with)
{
    uint32_t tag = *(uint32_t *)with, parent = family.tag;
    table_forked(&family, tag); /* as if the parent came first, and learned nothing */
    CHECK_EQUAL(table_adopt(&family, tag), STATUS_OK);
    CHECK_EQUAL(word_get(&slot_of(tag)->parent), parent);
}

TEST(a_fork_that_took_its_slot_has_its_parent_back)
{
    family_found(SMALL_RESERVE);
    uint32_t tag = reserve();
    CHECK_EQUAL(child_end(child_start(adopt, &tag)), 0);
    CHECK_EQUAL(table_reap_dead(&family), 1);
}

TEST(only_an_embryo_is_given_references)
{
    family_found(SMALL_RESERVE);
    struct handle block = family_block(10);
    uint32_t tag = reserve();
    CHECK_EQUAL(handle_give(&family, &block, tag), STATUS_OK);
    CHECK_EQUAL(references_of(block), 2);
    /* Its reaper was killed in between: the list is gone, its numbers are still there. */
    uint64_t state = word_get(&slot_of(tag)->state);
    atomic_store(&slot_of(tag)->state, (state & ~UINT64_C(0xff)) | SLOT_REAPING);

    CHECK_EQUAL(handle_give(&family, &block, tag), STATUS_STALE);
    table_reap_dead(&family);
    CHECK_EQUAL(references_of(block), 1);
    CHECK_EQUAL(handle_give(&family, &block, tag), STATUS_STALE);
    family_check();
}

/* ---- living and dying */

TEST(a_fork_has_its_own_copy_of_what_its_parent_holds)
{
    enum { BLOCKS = 500 }; /* several parts of the list */
    static struct handle blocks[BLOCKS];
    family_found(SMALL_RESERVE);
    for (unsigned i = 0; i < BLOCKS; i++)
        blocks[i] = family_block(i);
    for (unsigned i = 0; i < BLOCKS; i += 3)
        handle_drop(&family, &blocks[i]);
    pid_t pid = family_start(sleep_on, NULL);

    CHECK_EQUAL(references_of(blocks[1]), 2);
    family_check();
    for (unsigned i = 0; i < BLOCKS; i++)
        handle_drop(&family, &blocks[i]);
    uint64_t used = family_used();
    family_check();
    family_kill(pid);
    CHECK(family_used() < used);
    family_check();
}

TEST(a_zombie_is_dead)
{
    family_found(SMALL_RESERVE);
    struct handle block = family_block(10);
    pid_t pid = family_start(do_nothing, NULL);
    siginfo_t info;
    CHECK_EQUAL(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);

    CHECK_EQUAL(table_reap_dead(&family), 1);
    CHECK_EQUAL(references_of(block), 1);
    CHECK_EQUAL(child_end(pid), 0);
}

TEST(a_pid_used_again_is_another_process)
{
    family_found(SMALL_RESERVE);
    pid_t pid = family_start(sleep_on, NULL);
    uint32_t tag = table_find(&family, pid);
    WAIT_UNTIL((word_get(&slot_of(tag)->state) & 0xff) == SLOT_LIVE);
    CHECK_EQUAL(table_reap_dead(&family), 0);
    atomic_fetch_sub(&slot_of(tag)->start, 1); /* as if our process had begun a tick earlier */

    CHECK(!table_is_alive(&family, tag));
    CHECK_EQUAL(table_reap_dead(&family), 1);
    child_kill(pid);
    family_check();
}

TEST(a_process_not_yet_dead_is_not_buried)
{
    family_found(SMALL_RESERVE);
    pid_t pid = family_start(sleep_on, NULL);
    uint32_t tag = table_find(&family, pid);
    table_bury(&family, pid);

    CHECK(table_is_alive(&family, tag));
    family_kill(pid);
    CHECK(!table_is_alive(&family, tag));
    CHECK_EQUAL(table_find(&family, pid), 0);
}

static void *run_for_ever(void *unused)
{
    sleep_on(unused);
    return NULL;
}

static void end_the_main_thread(void *unused)
{
    (void)unused;
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, run_for_ever, NULL), 0);
    pthread_exit(NULL);
}

TEST(a_process_whose_main_thread_has_ended_lives_on)
{
    pid_t pid = child_start(end_the_main_thread, NULL);
    usleep(50000); /* there is no event for the end of the main thread */
    CHECK(!life_has_ended(pid, life_start(pid)));
    kill(pid, SIGKILL);
    siginfo_t info;
    CHECK_EQUAL(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CHECK(life_has_ended(pid, START_UNKNOWN));
    child_end(pid);
    CHECK(life_has_ended(pid, START_UNKNOWN));
}

/* ---- a full table */

TEST_WITHIN(30, a_full_table_says_so_and_takes_the_places_of_the_dead)
{
    static uint32_t tags[SLOT_COUNT];
    family_found(SMALL_RESERVE);
    for (unsigned i = 1; i < SLOT_COUNT; i++)
        tags[i] = reserve();
    uint32_t none;
    CHECK_EQUAL(table_reserve(&family, &none), STATUS_FULL_TABLE);

    pid_t dead = dead_pid();
    for (unsigned i = 1; i < SLOT_COUNT; i += 2)
        table_launched(&family, tags[i], dead);
    for (unsigned i = 1; i < SLOT_COUNT; i += 2)
        CHECK(table_is_alive(&family, reserve()));
    CHECK_EQUAL(table_reserve(&family, &none), STATUS_FULL_TABLE);
    for (unsigned i = 2; i < SLOT_COUNT; i += 2)
        CHECK(table_is_alive(&family, tags[i]));
    family_check();
}

TEST(no_generation_of_a_slot_has_the_tag_zero)
{
    family_found(SMALL_RESERVE);
    uint32_t tag = reserve(), index = tag_index(tag);
    uint64_t last = (UINT64_C(1) << SLOT_GENERATION_BITS) - 1;
    atomic_store(&slot_of(tag)->state, last << 8 | SLOT_EMBRYO);
    tag = table_tag(&family, index);
    table_abandon(&family, tag);
    uint32_t next = reserve();

    CHECK_EQUAL(tag_index(next), index);
    CHECK(next >> SLOT_INDEX_BITS != 0);
    CHECK(next != tag);
}

/* ---- two at once */

static atomic_bool done;

static void *reap_again_and_again(void *unused)
{
    (void)unused;
    while (!atomic_load(&done))
        table_reap_dead(&family);
    return NULL;
}

/* A slot on its way to its next owner must at no instant look as if that one had died: who looks
 * without the mutex, and finds the new state, finds the rest to be new as well. */
TEST(the_state_of_a_reserved_slot_is_stored_last)
{
    family_found(SMALL_RESERVE);
    table_launched(&family, reserve(), dead_pid());
    CHECK_EQUAL(table_reap_dead(&family), 1);
    struct slot *slot = table_slot(&family, 1);
    uint32_t *tag = shared_memory(PAGE_BYTES);
    for (unsigned step = 1; child_killed_at("journal.carried_out_one", step, reserve_and_die, tag);
         step++) {
        if ((word_get(&slot->state) & 0xff) == SLOT_EMBRYO)
            CHECK_EQUAL(word_get(&slot->pid), 0);
        arena_lock(&family); /* repairs */
        CHECK_EQUAL(word_get(&slot->state) & 0xff, SLOT_EMBRYO);
        CHECK_EQUAL(word_get(&slot->pid), 0);
        arena_unlock(&family);
        uint32_t again = table_tag(&family, 1);
        table_launched(&family, again, dead_pid());
        table_abandon(&family, again);
    }
}

TEST_WITHIN(20, a_slot_just_reserved_is_not_taken_for_its_last_owner)
{
    family_found(SMALL_RESERVE);
    pid_t dead = dead_pid();
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, reap_again_and_again, NULL), 0);
    for (unsigned i = 0; i < 20000 / SLOWNESS; i++) {
        uint32_t tag = reserve();
        for (unsigned j = 0; j < 20; j++)
            CHECK(table_is_alive(&family, tag));
        CHECK_EQUAL(table_tag(&family, tag_index(tag)), tag);
        table_launched(&family, tag, dead);
        table_abandon(&family, tag);
    }
    atomic_store(&done, true);
    pthread_join(thread, NULL);
    family_check();
}

/* ---- kills */

static void start_one_more(void *with)
{
    (void)with;
    uint32_t tag = reserve();
    CHECK_EQUAL(table_copy_holdings(&family, tag), STATUS_OK);
    table_launched(&family, tag, getpid()); /* dies with us */
}

/* Makes the embryos of dead parents old enough to be given up. */
static void age_embryos(void)
{
    for (uint32_t i = 0; i < SLOT_COUNT; i++)
        if ((word_get(&table_slot(&family, i)->state) & 0xff) == SLOT_EMBRYO)
            atomic_store(&table_slot(&family, i)->born, 0);
}

TEST_WITHIN(30, a_kill_at_any_point_of_a_start_is_cleaned_up)
{
    family_found(SMALL_RESERVE);
    struct handle blocks[70]; /* two parts of the list */
    for (unsigned i = 0; i < 70; i++)
        blocks[i] = family_block(10);
    uint64_t used = family_used();
    unsigned kills = 0;
    while (family_killed_at("*", kills + 1, start_one_more, NULL)) {
        kills++;
        family_check();
        age_embryos();
        table_reap_dead(&family);
        family_check();
        CHECK_EQUAL(family_used(), used);
        CHECK_EQUAL(references_of(blocks[69]), 1);
    }
    CHECK(kills > 200);
}

struct reaper {
    atomic_bool *begin;
    unsigned passage;
};

static void reap_and_be_killed(void *with)
{
    struct reaper *reaper = with;
    while (!atomic_load(reaper->begin))
        usleep(50);
    crash_point_arm("*", reaper->passage);
    table_reap_dead(&family);
}

TEST_WITHIN(30, a_reaper_killed_at_any_point_is_followed_by_the_next)
{
    family_found(SMALL_RESERVE);
    struct handle blocks[70];
    for (unsigned i = 0; i < 70; i++)
        blocks[i] = family_block(10);
    uint64_t used = family_used();
    struct reaper reaper = {.begin = shared_memory(PAGE_BYTES)};
    unsigned kills = 0;
    for (bool killed = true; killed; kills += killed) {
        /* Started first, since each start reaps a little, too. */
        atomic_store(reaper.begin, false);
        reaper.passage = kills + 1;
        pid_t doomed = family_start(reap_and_be_killed, &reaper);
        child_end(family_start(do_nothing, NULL));
        atomic_store(reaper.begin, true);
        int status = child_end(doomed);
        killed = status == -SIGKILL;
        CHECK(killed || status == 0);
        family_check();
        table_reap_dead(&family);
        family_check();
        CHECK_EQUAL(family_used(), used);
        CHECK_EQUAL(references_of(blocks[0]), 1);
    }
    CHECK(kills > 200);
    CHECK(word_get(&family.header->slots_used) < 8);
}

static void hold_until_killed(void *with)
{
    uint64_t random = (uint64_t)getpid() * 2654435761u;
    struct handle *kept = with, handles[8] = {{0}};
    for (;;) {
        struct handle *handle = &handles[random_next(&random) % 8];
        if (handle->payload)
            handle_drop(&family, handle);
        else if (random_next(&random) % 2)
            *handle = family_block(random_next(&random) % 3000);
        else
            handle_attach(&family, kept->payload, family_serial(*kept), handle);
    }
}

TEST_WITHIN(60, ten_thousand_kills_do_not_grow_the_arena)
{
    family_found(SMALL_RESERVE);
    struct handle kept = family_block(100);
    uint64_t random = 77, used = family_used(), top = word_get(&family.header->top);
    unsigned kills = 10000 / (SLOWNESS * SLOWNESS);
    for (unsigned i = 0; i < kills; i++) {
        pid_t pid = family_start(hold_until_killed, &kept);
        for (uint64_t spin = random_next(&random) % 100000; spin > 0; spin--)
            atomic_signal_fence(memory_order_seq_cst);
        family_kill(pid);
        if (i % 1000 == 0)
            family_check();
    }
    CHECK_EQUAL(family_used(), used);
    CHECK_EQUAL(references_of(kept), 1);
    /* One lives at a time, with eight blocks: at most so many of each class were ever needed. */
    CHECK(word_get(&family.header->top) < top + 400 * 1024);
    CHECK(word_get(&family.header->slots_used) <= 3);
    family_check();
}
