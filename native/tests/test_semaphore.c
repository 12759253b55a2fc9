/* The semaphore: permits are neither lost nor made, whichever process is killed, wherever. */
#include <pthread.h>

#include "../sync/semaphore.h"
#include "family.h"

static struct semaphore *new_semaphore(uint32_t value, uint32_t max)
{
    struct handle handle;
    CHECK_EQUAL(semaphore_create(&family, value, max, &handle), STATUS_OK);
    return arena_at(&family, handle.offset);
}

static void take(struct semaphore *semaphore)
{
    struct spin_wait spin_wait;
    spin_wait_init(&spin_wait);
    while (semaphore_try(&family, semaphore) != STATUS_OK)
        semaphore_wait(&family, semaphore, &spin_wait, DEADLINE_NEVER);
}

enum { WORKERS = 4, PERMITS = 2, ROUNDS = 20000 / SLOWNESS };

struct contest {
    struct semaphore *semaphore;
    _Atomic uint32_t inside, counted;
};

static void compete(void *with)
{
    struct contest *contest = with;
    for (unsigned i = 0; i < ROUNDS; i++) {
        take(contest->semaphore);
        CHECK(atomic_fetch_add(&contest->inside, 1) < PERMITS);
        atomic_fetch_add(&contest->counted, 1);
        atomic_fetch_sub(&contest->inside, 1);
        CHECK_EQUAL(semaphore_release(&family, contest->semaphore), STATUS_OK);
    }
}

static void *compete_in_thread(void *with)
{
    compete(with);
    return NULL;
}

TEST_WITHIN(30, no_more_threads_are_inside_than_there_are_permits)
{
    family_found(SMALL_RESERVE);
    struct contest contest = {.semaphore = new_semaphore(PERMITS, PERMITS)};
    pthread_t threads[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQUAL(pthread_create(&threads[i], NULL, compete_in_thread, &contest), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(contest.counted, WORKERS * ROUNDS);
    CHECK_EQUAL(semaphore_value(contest.semaphore), PERMITS);
}

TEST_WITHIN(30, no_more_processes_are_inside_than_there_are_permits)
{
    family_found(SMALL_RESERVE);
    struct contest *contest = shared_memory(sizeof *contest);
    contest->semaphore = new_semaphore(PERMITS, PERMITS);
    pid_t children[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++)
        children[i] = family_start(compete, contest);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQUAL(family_end(children[i]), 0);
    CHECK_EQUAL(semaphore_value(contest->semaphore), PERMITS);
}

/* ---- deaths */

static void take_and_release(void *semaphore)
{
    take(semaphore);
    take(semaphore);
    semaphore_release(&family, semaphore);
    semaphore_release(&family, semaphore);
}

TEST_WITHIN(20, killed_at_any_step_a_process_takes_nothing_with_it)
{
    family_found(SMALL_RESERVE);
    struct semaphore *semaphore = new_semaphore(3, SEMAPHORE_MAX);
    unsigned passage = 1;
    while (family_killed_at("semaphore.*", passage, take_and_release, semaphore)) {
        CHECK_EQUAL(semaphore_value(semaphore), 3);
        passage++;
    }
    CHECK(passage > 8);
    CHECK_EQUAL(semaphore_value(semaphore), 3);
}

static void take_two(void *semaphore)
{
    take(semaphore);
    take(semaphore);
}

TEST(what_a_dead_process_held_is_found_without_a_reaper)
{
    family_found(SMALL_RESERVE);
    struct semaphore *semaphore = new_semaphore(2, 2);
    CHECK_EQUAL(child_end(family_start(take_two, semaphore)), 0);
    CHECK_EQUAL(semaphore_value(semaphore), 0);
    take(semaphore);
    take(semaphore);
    CHECK_EQUAL(semaphore_value(semaphore), 0);
}

static void take_two_and_end_normally(void *semaphore)
{
    take_two(semaphore);
    semaphore_forget(&family, semaphore);
}

TEST(a_process_that_ends_normally_keeps_what_it_took)
{
    family_found(SMALL_RESERVE);
    struct semaphore *semaphore = new_semaphore(3, 3);
    CHECK_EQUAL(family_end(family_start(take_two_and_end_normally, semaphore)), 0);
    CHECK_EQUAL(semaphore_value(semaphore), 1);
}

TEST(permits_that_another_process_releases_belong_to_no_process)
{
    family_found(SMALL_RESERVE);
    struct semaphore *semaphore = new_semaphore(3, 3);
    pid_t child = family_start(take_two, semaphore);
    WAIT_UNTIL(semaphore_value(semaphore) == 1);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_OK);
    CHECK_EQUAL(family_end(child), 0);
    CHECK_EQUAL(semaphore_value(semaphore), 2);
}

TEST(there_are_never_more_permits_than_may_be)
{
    family_found(SMALL_RESERVE);
    struct semaphore *semaphore = new_semaphore(1, 1);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_NOT_HELD);
    CHECK_EQUAL(semaphore_value(semaphore), 1);
}

/* The number of an operation has 32 bits; that of an entry may be as old as one likes. */
TEST_WITHIN(30, an_operation_is_not_taken_for_one_long_ago)
{
    family_found(SMALL_RESERVE);
    struct semaphore *semaphore = new_semaphore(2, 2);
    take(semaphore);
    uint64_t entry = atomic_load(&semaphore->first[family.self]);
    uint64_t word = atomic_load(&semaphore->word);
    /* As if others had done all operations but one, up to the same number. */
    uint64_t number = (uint32_t)(entry - 1), value = word >> SEMAPHORE_VALUE_SHIFT;
    uint64_t unnoted = value << SEMAPHORE_VALUE_SHIFT | (uint64_t)SEMAPHORE_UNNOTED << 43;
    atomic_store(&semaphore->word, unnoted | number);
    take(semaphore);
    CHECK_EQUAL(atomic_load(&semaphore->first[family.self]) >> 50, 2);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_OK);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_OK);
    CHECK_EQUAL(atomic_load(&semaphore->first[family.self]) >> 50, 0);
}

TEST(the_most_permits_are_counted_exactly)
{
    family_found(SMALL_RESERVE);
    struct semaphore *semaphore = new_semaphore(SEMAPHORE_MAX, SEMAPHORE_MAX);
    CHECK_EQUAL(semaphore_value(semaphore), SEMAPHORE_MAX);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_NOT_HELD);
    take(semaphore);
    CHECK_EQUAL(semaphore_value(semaphore), SEMAPHORE_MAX - 1);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_OK);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_NOT_HELD);
}

/* As many as a word with owners can say; then what is released beyond them. */
TEST(the_most_permits_that_have_owners_come_back)
{
    enum { MOST = (1 << 18) - 1 };
    family_found(SMALL_RESERVE);
    struct semaphore *semaphore = new_semaphore(MOST, SEMAPHORE_MAX);
    CHECK_EQUAL(family_end(family_start(take_two, semaphore)), 0);
    CHECK_EQUAL(semaphore_value(semaphore), MOST);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_OK);
    CHECK_EQUAL(semaphore_value(semaphore), MOST + 1);
    semaphore = new_semaphore(MOST + 1, SEMAPHORE_MAX);
    CHECK_EQUAL(family_end(family_start(take_two, semaphore)), 0);
    CHECK_EQUAL(semaphore_value(semaphore), MOST - 1);
}

/* More than an entry can say are nobody's, until there is nothing left that it says. */
TEST(more_permits_than_are_remembered_are_all_given_back)
{
    enum { MOST = (1 << 14) - 1, TAKEN = MOST + 3 };
    family_found(SMALL_RESERVE);
    struct semaphore *semaphore = new_semaphore(TAKEN, TAKEN);
    for (unsigned i = 0; i < TAKEN; i++)
        take(semaphore);
    CHECK_EQUAL(atomic_load(&semaphore->first[family.self]) >> 50, MOST);
    for (unsigned i = 0; i < TAKEN; i++)
        CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_OK);
    CHECK_EQUAL(semaphore_value(semaphore), TAKEN);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_NOT_HELD);
}

/* ---- high slots */

/* Has the next process get a slot at or above *index*: those below are reserved. */
static void fill_slots(uint32_t index)
{
    uint32_t tag;
    do
        CHECK_EQUAL(table_reserve(&family, &tag), STATUS_OK);
    while (tag_index(tag) + 1 < index);
}

struct resident {
    struct semaphore *semaphore;
    uint32_t slot;
};

static void take_two_there(void *with)
{
    struct resident *resident = with;
    CHECK_EQUAL(family.self, resident->slot);
    take_two(resident->semaphore);
}

TEST_WITHIN(30, what_a_process_in_a_high_slot_held_comes_back)
{
    static const uint32_t slots[] = {SEMAPHORE_FIRST, 127, 128, 255, 256, 1000, 1983, 1984, 2047};
    family_found(SMALL_RESERVE);
    uint64_t used = 0;
    for (unsigned i = 0; i < sizeof slots / sizeof *slots; i++) {
        fill_slots(slots[i]);
        used = family_used();
        struct handle handle;
        CHECK_EQUAL(semaphore_create(&family, 3, 3, &handle), STATUS_OK);
        struct semaphore *semaphore = arena_at(&family, handle.offset);
        pid_t pid = family_start(take_two_there, &(struct resident){semaphore, slots[i]});
        CHECK_EQUAL(child_end(pid), 0);
        CHECK_EQUAL(semaphore_value(semaphore), 1);
        semaphore_look_after(&family, semaphore); /* not reaped */
        CHECK_EQUAL(semaphore_value(semaphore), 3);
        table_reap_pid(&family, pid);
        CHECK_EQUAL(semaphore_value(semaphore), 3);
        take_two(semaphore); /* as one would in a low slot */
        CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_OK);
        family_check();
        handle_release(&family, &handle);
        CHECK_EQUAL(family_used(), used);
    }
}

TEST_WITHIN(30, killed_at_any_step_a_process_in_a_high_slot_takes_nothing_with_it)
{
    family_found(SMALL_RESERVE);
    fill_slots(700);
    unsigned passage = 0;
    for (bool killed = true; killed;) {
        struct handle handle;
        CHECK_EQUAL(semaphore_create(&family, 3, SEMAPHORE_MAX, &handle), STATUS_OK);
        struct semaphore *semaphore = arena_at(&family, handle.offset);
        killed = family_killed_at("*", ++passage, take_and_release, semaphore);
        CHECK_EQUAL(semaphore_value(semaphore), 3);
        family_check();
        handle_release(&family, &handle);
    }
    CHECK(passage > 20);
}

TEST(without_memory_a_permit_is_taken_and_given_all_the_same)
{
    family_found(UINT64_C(2) << 20);
    struct semaphore *semaphore = new_semaphore(3, 3);
    fill_slots(100);
    struct handle handle;
    for (uint64_t size = PAGE_BYTES; size >= 64; size /= 2)
        while (handle_create(&family, size, BLOCK_BYTES, NULL, NULL, &handle) == STATUS_OK)
            ;
    family.tag += 100; /* as if this process had that slot */
    take_two(semaphore);
    CHECK_EQUAL(semaphore_value(semaphore), 1);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_OK);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_OK);
    CHECK_EQUAL(semaphore_value(semaphore), 3);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_NOT_HELD);
}
