/* Lock and RLock: one at a time, fair, and told of their holder's death. */
#include <pthread.h>
#include <string.h>

#include "../sync/lock.h"
#include "../sync/thread.h"
#include "family.h"

static void fill(void *memory, uint64_t size, const void *with)
{
    (void)size;
    lock_init(memory, *(const enum lock_on_death *)with);
}

static struct lock *new_lock(enum lock_on_death on_death)
{
    struct handle handle;
    CHECK_EQUAL(handle_create(&family, sizeof(struct lock), BLOCK_LOCK, fill, &on_death, &handle),
                STATUS_OK);
    return arena_at(&family, handle.offset);
}

static enum status take(struct lock *lock)
{
    struct lock_waiter waiter = {0};
    enum status status = lock_try(lock, family.tag) ? STATUS_OK : STATUS_INTERRUPTED;
    while (status == STATUS_INTERRUPTED)
        status = lock_wait(&family, lock, &waiter, DEADLINE_NEVER);
    return status;
}

/* ---- one at a time */

enum { WORKERS = 4, ROUNDS = 20000 / SLOWNESS };

struct contest {
    struct lock *lock;
    uint64_t inside, counted; /* not atomic: the lock is all that orders them */
};

static void compete(void *with)
{
    struct contest *contest = with;
    for (unsigned i = 0; i < ROUNDS; i++) {
        CHECK_EQUAL(take(contest->lock), STATUS_OK);
        CHECK_EQUAL(contest->inside++, 0);
        contest->counted++;
        contest->inside--;
        CHECK_EQUAL(lock_release(contest->lock), STATUS_OK);
    }
}

static void *compete_in_thread(void *with)
{
    compete(with);
    return NULL;
}

TEST_WITHIN(30, of_many_threads_one_at_a_time_has_the_lock)
{
    family_found(SMALL_RESERVE);
    struct contest contest = {.lock = new_lock(LOCK_BREAKS)};
    pthread_t threads[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQUAL(pthread_create(&threads[i], NULL, compete_in_thread, &contest), 0);
    for (unsigned i = 0; i < WORKERS; i++)
        pthread_join(threads[i], NULL);
    CHECK_EQUAL(contest.counted, WORKERS * ROUNDS);
    CHECK(!lock_is_held(contest.lock));
}

TEST_WITHIN(30, of_many_processes_one_at_a_time_has_the_lock)
{
    family_found(SMALL_RESERVE);
    struct contest *contest = shared_memory(sizeof *contest);
    contest->lock = new_lock(LOCK_BREAKS);
    pid_t children[WORKERS];
    for (unsigned i = 0; i < WORKERS; i++)
        children[i] = family_start(compete, contest);
    for (unsigned i = 0; i < WORKERS; i++)
        CHECK_EQUAL(family_end(children[i]), 0);
    CHECK_EQUAL(contest->counted, WORKERS * ROUNDS);
}

TEST(a_waiter_does_not_starve_beside_a_busy_loop)
{
    family_found(SMALL_RESERVE);
    struct contest *contest = shared_memory(sizeof *contest);
    contest->lock = new_lock(LOCK_BREAKS);
    pid_t busy = family_start(compete, contest);
    for (unsigned i = 0; i < 20; i++) {
        CHECK_EQUAL(take(contest->lock), STATUS_OK);
        lock_release(contest->lock);
    }
    CHECK_EQUAL(family_end(busy), 0);
}

/* ---- an offer */

TEST(an_offered_lock_is_left_to_waiters_that_slept_but_not_for_ever)
{
    family_found(SMALL_RESERVE);
    struct lock *lock = new_lock(LOCK_BREAKS);
    struct lock_waiter newcomer = {0};
    atomic_store(&lock->word, LOCK_OFFERED);
    CHECK(!lock_try(lock, family.tag));
    CHECK(!lock_is_held(lock));
    deadline_t begun = clock_now();
    CHECK_EQUAL(lock_wait(&family, lock, &newcomer, DEADLINE_NEVER), STATUS_OK);
    CHECK(clock_now() - begun >= NS_PER_MS);
    CHECK_EQUAL(lock_release(lock), STATUS_OK);
}

TEST(an_offer_without_a_waiter_is_cancelled)
{
    family_found(SMALL_RESERVE);
    struct lock *lock = new_lock(LOCK_BREAKS);
    atomic_store(&lock->word, family.tag | LOCK_CONTENDED);
    atomic_store(&lock->starving, 1);
    CHECK_EQUAL(lock_release(lock), STATUS_OK);
    CHECK_EQUAL(atomic_load(&lock->word), LOCK_FREE);
}

TEST(a_free_lock_cannot_be_released)
{
    family_found(SMALL_RESERVE);
    struct lock *lock = new_lock(LOCK_BREAKS);
    CHECK_EQUAL(lock_release(lock), STATUS_NOT_HELD);
    atomic_store(&lock->word, LOCK_OFFERED);
    CHECK_EQUAL(lock_release(lock), STATUS_NOT_HELD);
}

/* ---- a holder's death */

static void take_and_end(void *lock)
{
    table_set_name(&family, "unlucky");
    CHECK_EQUAL(take(lock), STATUS_OK);
}

TEST(a_dead_holder_breaks_the_lock_whether_reaped_or_found)
{
    for (int reaped = 0; reaped < 2; reaped++) {
        family_found(SMALL_RESERVE);
        struct lock *lock = new_lock(LOCK_BREAKS);
        pid_t child = family_start(take_and_end, lock);
        CHECK_EQUAL(reaped ? family_end(child) : child_end(child), 0);
        CHECK_EQUAL(take(lock), STATUS_OWNER_DIED);
        CHECK_EQUAL(lock->dead.pid, child);
        CHECK_EQUAL(strcmp(lock->dead.name, "unlucky"), 0);
        CHECK_EQUAL(lock_release(lock), STATUS_OWNER_DIED);
        CHECK(lock_reset(lock));
        CHECK(!lock_reset(lock));
        CHECK_EQUAL(take(lock), STATUS_OK);
    }
}

TEST(a_lock_is_passed_on_to_one)
{
    family_found(SMALL_RESERVE);
    struct lock *lock = new_lock(LOCK_PASSES_ON);
    struct lock_waiter waiter = {0};
    CHECK_EQUAL(family_end(family_start(take_and_end, lock)), 0);
    CHECK(!lock_is_held(lock));
    CHECK_EQUAL(lock_poll(&family, lock, &waiter), STATUS_OK);
    CHECK(waiter.recovered);
    CHECK(lock_is_of(lock, family.tag));
    CHECK_EQUAL(lock_poll(&family, lock, &waiter), STATUS_AGAIN);
    CHECK_EQUAL(lock_release(lock), STATUS_OK);
}

/* ---- RLock */

static void *try_and_release(void *with)
{
    struct lock *lock = with;
    uint64_t me = thread_id(family.tag);
    CHECK(!rlock_try(lock, family.tag, me));
    CHECK_EQUAL(rlock_release(lock, me), STATUS_NOT_HELD);
    return NULL;
}

TEST(an_rlock_is_its_threads)
{
    family_found(SMALL_RESERVE);
    struct lock *lock = new_lock(LOCK_BREAKS);
    uint64_t me = thread_id(family.tag);
    pthread_t other;
    CHECK(rlock_try(lock, family.tag, me));
    CHECK(rlock_try(lock, family.tag, me));
    CHECK_EQUAL(pthread_create(&other, NULL, try_and_release, lock), 0);
    pthread_join(other, NULL);
    CHECK_EQUAL(rlock_release_all(lock), 2);
    CHECK(!lock_is_held(lock));
    CHECK_EQUAL(rlock_release(lock, me), STATUS_NOT_HELD);
}
