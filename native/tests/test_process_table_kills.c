/* The process table when processes are killed: while they start others, while they reap, at
 * random. */
#include <signal.h>
#include <unistd.h>

#include "../crash_point.h"
#include "../os/liveness.h"
#include "family.h"

static void start_one_more(void *with)
{
    (void)with;
    uint32_t tag = family_reserve_slot();
    CHECK_EQUAL(table_copy_references(&family, tag), STATUS_OK);
    table_launched(&family, tag, getpid(), START_UNKNOWN); /* dies with us */
}

/* Makes the starting slots of dead parents old enough to be given up. */
static void age_starting_slots(void)
{
    for (uint32_t i = 0; i < SLOT_COUNT; i++)
        if ((word_get(&arena_slot(&family, i)->state) & 0xff) == SLOT_STARTING)
            atomic_store(&arena_slot(&family, i)->reserved_at, 0);
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
        age_starting_slots();
        table_reap_dead(&family);
        family_check();
        CHECK_EQUAL(family_used(), used);
        CHECK_EQUAL(family_references(blocks[69]), 1);
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
        pid_t killed_reaper = family_start(reap_and_be_killed, &reaper);
        child_end(family_start(do_nothing, NULL));
        atomic_store(reaper.begin, true);
        int status = child_end(killed_reaper);
        killed = status == -SIGKILL;
        CHECK(killed || status == 0);
        family_check();
        table_reap_dead(&family);
        family_check();
        CHECK_EQUAL(family_used(), used);
        CHECK_EQUAL(family_references(blocks[0]), 1);
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
        if (handle->offset)
            handle_release(&family, handle);
        else if (random_next(&random) % 2)
            *handle = family_block(random_next(&random) % 3000);
        else
            handle_attach(&family, kept->offset, family_serial(*kept), handle);
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
    CHECK_EQUAL(family_references(kept), 1);
    /* One lives at a time, with eight blocks: at most so many of each class were ever needed. */
    CHECK(word_get(&family.header->top) < top + 400 * 1024);
    CHECK(word_get(&family.header->slots_used) <= 3);
    family_check();
}
