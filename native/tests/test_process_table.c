/* The process table: from a starting slot to reaping. */
#include <pthread.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../crash_point.h"
#include "../os/clock.h"
#include "../os/liveness.h"
#include "family.h"

/* A pid that was used and whose process has ended and been waited for. */
static pid_t dead_pid(void)
{
    pid_t pid = child_start(do_nothing, NULL);
    CHECK_EQUAL(child_end(pid), 0);
    return pid;
}

/* ---- starting */

TEST(a_starting_slot_given_up_is_no_ones_to_adopt)
{
    family_found(SMALL_RESERVE);
    struct handle block = family_block(10);
    uint32_t tag = family_reserve_slot();
    CHECK_EQUAL(table_copy_references(&family, tag), STATUS_OK);
    CHECK_EQUAL(family_references(block), 2);
    table_abandon(&family, tag);

    CHECK_EQUAL(family_references(block), 1);
    CHECK(!table_is_alive(&family, tag));
    CHECK_EQUAL(table_adopt(&family, tag), STATUS_STALE);
    CHECK(family_reserve_slot() != tag);
    family_check();
}

TEST(a_starting_slot_whose_parent_lives_waits_for_its_process)
{
    family_found(SMALL_RESERVE);
    uint32_t tag = family_reserve_slot();
    atomic_store(&family_slot(tag)->reserved_at, 0);

    CHECK_EQUAL(table_reap_dead(&family), 0);
    CHECK(table_is_alive(&family, tag));
}

static void reserve_and_die(void *with)
{
    *(uint32_t *)with = family_reserve_slot();
}

TEST(a_starting_slot_whose_parent_died_is_given_time_and_then_given_up)
{
    family_found(SMALL_RESERVE);
    uint32_t *tag = shared_memory(PAGE_BYTES);
    CHECK_EQUAL(family_end(family_start(reserve_and_die, tag)), 0);

    CHECK_EQUAL(table_reap_dead(&family), 0);
    CHECK(table_is_alive(&family, *tag));
    atomic_store(&family_slot(*tag)->reserved_at, 0);
    CHECK_EQUAL(table_reap_dead(&family), 1);
    CHECK(!table_is_alive(&family, *tag));
    family_check();
}

/* os.fork() does not tell the core the child's pid; a child killed at once never tells it
 * either. */
TEST(a_fork_killed_before_it_took_its_slot_does_not_keep_it)
{
    family_found(SMALL_RESERVE);
    uint32_t tag = family_reserve_slot();
    pid_t pid = child_start(sleep_on, NULL); /* never adopts */
    table_forked(&family, tag);

    CHECK(table_is_alive(&family, tag));
    CHECK_EQUAL(word_get(&family_slot(tag)->pid), pid);
    child_kill(pid);
    CHECK_EQUAL(table_reap_dead(&family), 1);
    family_check();
}

TEST(a_fork_that_failed_leaves_no_slot)
{
    family_found(SMALL_RESERVE);
    uint32_t tag = family_reserve_slot();
    table_forked(&family, tag); /* there is no child */

    CHECK(!table_is_alive(&family, tag));
    CHECK_EQUAL(table_reap_dead(&family), 0);
    family_check();
}

/* Where the kernel does not list children, no process can tell. */
TEST(a_slot_whose_child_is_unknown_is_kept_for_a_while_only)
{
    family_found(SMALL_RESERVE);
    uint32_t tag = family_reserve_slot();
    atomic_store(&family_slot(tag)->parent, 0);

    CHECK(table_is_alive(&family, tag));
    atomic_store(&family_slot(tag)->reserved_at, 0);
    CHECK_EQUAL(table_reap_dead(&family), 1);
    family_check();
}

static void adopt(void *with)
{
    uint32_t tag = *(uint32_t *)with, parent = family.tag;
    atomic_store(&family_slot(tag)->parent,
                 0); /* as if the parent was first, and learned nothing */
    CHECK_EQUAL(table_adopt(&family, tag), STATUS_OK);
    CHECK_EQUAL(word_get(&family_slot(tag)->parent), parent);
}

TEST(a_fork_that_took_its_slot_has_its_parent_back)
{
    family_found(SMALL_RESERVE);
    uint32_t tag = family_reserve_slot();
    CHECK_EQUAL(child_end(child_start(adopt, &tag)), 0);
    CHECK_EQUAL(table_reap_dead(&family), 1);
}

static void adopt_in_a_fork(void *with)
{
    CHECK_EQUAL(table_adopt(&family, *(uint32_t *)with), STATUS_OK);
}

TEST(a_fork_killed_while_it_takes_its_slot_does_not_keep_it)
{
    family_found(SMALL_RESERVE);
    for (unsigned passage = 1;; passage++) {
        uint32_t tag = family_reserve_slot();
        bool killed = child_killed_at("table.adopt.*", passage, adopt_in_a_fork, &tag);

        CHECK(!table_is_alive(&family, tag));
        CHECK_EQUAL(table_reap_dead(&family), 1);
        family_check();
        if (!killed)
            break;
    }
}

TEST(only_a_starting_slot_is_given_references)
{
    family_found(SMALL_RESERVE);
    struct handle block = family_block(10);
    uint32_t tag = family_reserve_slot();
    CHECK_EQUAL(table_give_reference(&family, &block, tag), STATUS_OK);
    CHECK_EQUAL(family_references(block), 2);
    /* Its reaper was killed in between: the list is gone, its numbers are still there. */
    uint64_t state = word_get(&family_slot(tag)->state);
    atomic_store(&family_slot(tag)->state, (state & ~UINT64_C(0xff)) | SLOT_REAPING);

    CHECK_EQUAL(table_give_reference(&family, &block, tag), STATUS_STALE);
    table_reap_dead(&family);
    CHECK_EQUAL(family_references(block), 1);
    CHECK_EQUAL(table_give_reference(&family, &block, tag), STATUS_STALE);
    family_check();
}

/* ---- what a process holds */

TEST(a_fork_has_its_own_copy_of_what_its_parent_holds)
{
    enum { BLOCKS = 500 }; /* several parts of the list */
    static struct handle blocks[BLOCKS];
    family_found(SMALL_RESERVE);
    for (unsigned i = 0; i < BLOCKS; i++)
        blocks[i] = family_block(i);
    for (unsigned i = 0; i < BLOCKS; i += 3)
        handle_release(&family, &blocks[i]);
    pid_t pid = family_start(sleep_on, NULL);

    CHECK_EQUAL(family_references(blocks[1]), 2);
    family_check();
    for (unsigned i = 0; i < BLOCKS; i++)
        handle_release(&family, &blocks[i]);
    uint64_t used = family_used();
    family_check();
    family_kill(pid);
    CHECK(family_used() < used);
    family_check();
}

/* ---- a full table */

TEST_WITHIN(30, a_full_table_says_so_and_reuses_the_slots_of_the_dead)
{
    static uint32_t tags[SLOT_COUNT];
    family_found(SMALL_RESERVE);
    for (unsigned i = 1; i < SLOT_COUNT; i++)
        tags[i] = family_reserve_slot();
    uint32_t none;
    CHECK_EQUAL(table_reserve(&family, &none), STATUS_FULL_TABLE);

    pid_t dead = dead_pid();
    for (unsigned i = 1; i < SLOT_COUNT; i += 2)
        table_launched(&family, tags[i], dead, START_UNKNOWN);
    for (unsigned i = 1; i < SLOT_COUNT; i += 2)
        CHECK(table_is_alive(&family, family_reserve_slot()));
    CHECK_EQUAL(table_reserve(&family, &none), STATUS_FULL_TABLE);
    for (unsigned i = 2; i < SLOT_COUNT; i += 2)
        CHECK(table_is_alive(&family, tags[i]));
    family_check();
}

/* The tag of a slot after which its tags come round. */
static uint32_t reserve_last_tag(void)
{
    uint32_t tag = family_reserve_slot();
    uint64_t last = (UINT64_C(1) << SLOT_GENERATION_BITS) - 1;
    atomic_store(&family_slot(tag)->state, last << 8 | SLOT_STARTING);
    return table_tag(&family, tag_index(tag));
}

/* A lock may still name a process that has died long ago. */
TEST_WITHIN(30, a_worn_slot_is_used_again_after_all_others_only)
{
    family_found(SMALL_RESERVE);
    uint32_t worn[3];
    for (unsigned i = 0; i < 3; i++)
        CHECK(table_abandon(&family, worn[i] = reserve_last_tag()));
    family_check();
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(tag_index(worn[i]), i + 1);
    for (unsigned i = 4; i < SLOT_COUNT; i++)
        CHECK_EQUAL(tag_index(family_reserve_slot()), i);
    uint32_t none;
    for (unsigned i = 0; i < 3; i++) { /* those that are worn for longest come first */
        uint32_t tag = family_reserve_slot();
        CHECK_EQUAL(tag_index(tag), i + 1);
        CHECK_EQUAL(tag >> SLOT_INDEX_BITS, 1); /* not 0: no tag is 0 */
        family_check();
    }
    CHECK_EQUAL(table_reserve(&family, &none), STATUS_FULL_TABLE);
    CHECK(table_abandon(&family, table_tag(&family, 2)));
    CHECK_EQUAL(tag_index(family_reserve_slot()), 2);
    family_check();
}

static void wear_one_out(void *with)
{
    table_abandon(&family, *(uint32_t *)with);
}

TEST_WITHIN(30, a_kill_while_a_slot_is_put_aside)
{
    family_found(SMALL_RESERVE);
    for (unsigned passage = 1;; passage++) {
        uint32_t tag = reserve_last_tag();
        bool killed = child_killed_at("*", passage, wear_one_out, &tag);
        family_check();
        table_abandon(&family, tag);
        CHECK(!table_is_alive(&family, tag));
        family_check();
        if (!killed)
            break;
    }
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

/* A slot on its way to its next owner must at no instant look as if that one had died: a look
 * without the mutex that finds the new state must find the rest to be new as well. */
TEST(the_state_of_a_reserved_slot_is_stored_last)
{
    family_found(SMALL_RESERVE);
    table_launched(&family, family_reserve_slot(), dead_pid(), START_UNKNOWN);
    CHECK_EQUAL(table_reap_dead(&family), 1);
    struct slot *slot = arena_slot(&family, 1);
    uint32_t *tag = shared_memory(PAGE_BYTES);
    for (unsigned step = 1; child_killed_at("journal.carried_out_one", step, reserve_and_die, tag);
         step++) {
        if ((word_get(&slot->state) & 0xff) == SLOT_STARTING)
            CHECK_EQUAL(word_get(&slot->pid), 0);
        arena_lock(&family); /* repairs */
        CHECK_EQUAL(word_get(&slot->state) & 0xff, SLOT_STARTING);
        CHECK_EQUAL(word_get(&slot->pid), 0);
        arena_unlock(&family);
        uint32_t again = table_tag(&family, 1);
        table_launched(&family, again, dead_pid(), START_UNKNOWN);
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
        uint32_t tag = family_reserve_slot();
        for (unsigned j = 0; j < 20; j++)
            CHECK(table_is_alive(&family, tag));
        CHECK_EQUAL(table_tag(&family, tag_index(tag)), tag);
        table_launched(&family, tag, dead, START_UNKNOWN);
        table_abandon(&family, tag);
    }
    atomic_store(&done, true);
    pthread_join(thread, NULL);
    family_check();
}
