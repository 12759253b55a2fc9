/* The semaphore: permits are neither lost nor made, whoever is killed where. */
#include <pthread.h>

#include "../sync/semaphore.h"
#include "family.h"

static struct semaphore *new_semaphore(uint32_t value, uint32_t max)
{
    struct handle handle;
    CHECK_EQUAL(semaphore_create(&family, value, max, &handle), STATUS_OK);
    return arena_at(&family, handle.payload);
}

static void take(struct semaphore *semaphore)
{
    struct patience patience;
    patience_init(&patience);
    while (semaphore_try(&family, semaphore) != STATUS_OK)
        semaphore_wait(&family, semaphore, &patience, DEADLINE_NEVER);
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

TEST(what_the_dead_held_is_found_without_a_reaper)
{
    family_found(SMALL_RESERVE);
    struct semaphore *semaphore = new_semaphore(2, 2);
    CHECK_EQUAL(child_end(family_start(take_two, semaphore)), 0);
    CHECK_EQUAL(semaphore_value(semaphore), 0);
    take(semaphore);
    take(semaphore);
    CHECK_EQUAL(semaphore_value(semaphore), 0);
}

static void take_two_in_order(void *semaphore)
{
    take_two(semaphore);
    semaphore_forget(&family, semaphore);
}

TEST(who_ends_in_order_keeps_what_it_took)
{
    family_found(SMALL_RESERVE);
    struct semaphore *semaphore = new_semaphore(3, 3);
    CHECK_EQUAL(family_end(family_start(take_two_in_order, semaphore)), 0);
    CHECK_EQUAL(semaphore_value(semaphore), 1);
}

TEST(permits_that_go_from_hand_to_hand_are_nobodys)
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

/* The number of an operation has 21 bits; that of an entry may be as old as one likes. */
TEST_WITHIN(30, an_operation_is_not_taken_for_one_long_ago)
{
    family_found(SMALL_RESERVE);
    struct semaphore *semaphore = new_semaphore(2, 2);
    take(semaphore);
    uint64_t entry = atomic_load(&semaphore->entries[family.self]);
    uint64_t word = atomic_load(&semaphore->word);
    /* As if others had done all operations but one, up to the same number. */
    uint64_t number = ((entry & 0x1fffff) - 1) & 0x1fffff;
    atomic_store(&semaphore->word, (word & ~UINT64_C(0x1fffffff)) | UINT64_C(255) << 21 | number);
    take(semaphore);
    CHECK_EQUAL(atomic_load(&semaphore->entries[family.self]) >> 39, 2);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_OK);
    CHECK_EQUAL(semaphore_release(&family, semaphore), STATUS_OK);
    CHECK_EQUAL(atomic_load(&semaphore->entries[family.self]) >> 39, 0);
}
