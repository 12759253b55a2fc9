/* Locks, conditions, semaphores, killed between any two instructions: afterwards the survivors find
 * everything usable, and nothing is lost but what the dead process alone had.
 *
 * The limits of time are for `make stepping`, which tries every position. */
#include "../sync/condition.h"
#include "../sync/lock.h"
#include "../sync/semaphore.h"
#include "stepping.h"

/* ---- locks */

struct lock_fixture {
    struct handle handle;
    struct lock *lock;
};

static void fill_lock(void *memory, uint64_t size, const void *with)
{
    (void)size, (void)with;
    lock_init(memory, LOCK_BREAKS);
}

static void open_lock(void *with)
{
    struct lock_fixture *fixture = with;
    CHECK_EQUAL(
        handle_create(&family, sizeof(struct lock), BLOCK_LOCK, fill_lock, NULL, &fixture->handle),
        STATUS_OK);
    fixture->lock = arena_at(&family, fixture->handle.offset);
}

static enum status take(struct lock *lock)
{
    struct lock_waiter waiter = {0};
    enum status status = STATUS_OK;
    if (!lock_try(lock, family.tag))
        do
            status = lock_wait(&family, lock, &waiter, DEADLINE_NEVER);
        while (status == STATUS_INTERRUPTED);
    return status;
}

static void wait_at(void *with)
{
    struct lock_fixture *fixture = with;
    enum status status = take(fixture->lock);
    CHECK(status == STATUS_OK || status == STATUS_OWNER_DIED);
    if (status == STATUS_OK)
        CHECK_EQUAL(lock_release(fixture->lock), STATUS_OK);
}

static void take_it(void *with)
{
    struct lock_fixture *fixture = with;
    take(fixture->lock);
}

static void give_it_back(void *with)
{
    struct lock_fixture *fixture = with;
    lock_release(fixture->lock);
}

/* No waiter is left waiting: each gets the lock, or is told of the death. */
static void check_lock(void *with)
{
    struct lock_fixture *fixture = with;
    pid_t waiter = family_start(wait_at, fixture);
    CHECK_EQUAL(family_end(waiter), 0);
    if (take(fixture->lock) == STATUS_OWNER_DIED) {
        CHECK(lock_reset(fixture->lock));
        CHECK_EQUAL(take(fixture->lock), STATUS_OK);
    }
    CHECK_EQUAL(lock_release(fixture->lock), STATUS_OK);
    handle_release(&family, &fixture->handle);
}

TEST_WITHIN(1200, an_acquire_killed_at_any_instruction)
{
    family_found(SMALL_RESERVE);
    struct lock_fixture fixture = {0};
    step_through(&(struct operation){"acquire", NULL, take_it, open_lock, check_lock}, &fixture);
    step_through(&(struct operation){"release", take_it, give_it_back, open_lock, check_lock},
                 &fixture);
}

/* ---- conditions: this process waits with two entries */

struct waiters {
    struct handle handle;
    struct condition *condition;
    struct condition_wait first, second;
};

static void open_condition(void *with)
{
    struct waiters *waiters = with;
    waiters->handle = family_condition();
    waiters->condition = arena_at(&family, waiters->handle.offset);
    condition_enter(&family, waiters->condition, &waiters->first);
    condition_enter(&family, waiters->condition, &waiters->second);
}

static void notify_one(void *with)
{
    struct waiters *waiters = with;
    condition_notify(&family, waiters->condition, 1);
}

static void notify_all(void *with)
{
    struct waiters *waiters = with;
    condition_notify(&family, waiters->condition, UINT64_MAX);
}

static void enter_and_leave(void *with)
{
    struct waiters *waiters = with;
    struct condition_wait wait;
    condition_enter(&family, waiters->condition, &wait);
    condition_leave(&family, waiters->condition, &wait, false);
}

/* Notifications reach living processes, and no waiter is notified without one. */
static void check_condition(void *with)
{
    struct waiters *waiters = with;
    condition_notify(&family, waiters->condition, 2);
    CHECK(condition_leave(&family, waiters->condition, &waiters->first, false));
    CHECK(condition_leave(&family, waiters->condition, &waiters->second, false));
    condition_enter(&family, waiters->condition, &waiters->first);
    CHECK(!condition_leave(&family, waiters->condition, &waiters->first, false));
    CHECK_EQUAL(condition_waiting(&family, waiters->condition), 0);
    handle_release(&family, &waiters->handle);
}

TEST_WITHIN(1200, a_notify_killed_at_any_instruction)
{
    family_found(SMALL_RESERVE);
    struct waiters waiters;
    step_through(&(struct operation){"notify", NULL, notify_one, open_condition, check_condition},
                 &waiters);
    step_through(
        &(struct operation){"notify all", NULL, notify_all, open_condition, check_condition},
        &waiters);
    step_through(
        &(struct operation){"wait", NULL, enter_and_leave, open_condition, check_condition},
        &waiters);
}

/* ---- semaphores */

struct pool {
    struct handle handle;
    struct semaphore *semaphore;
};

static void open_pool(void *with)
{
    struct pool *pool = with;
    CHECK_EQUAL(semaphore_create(&family, 3, 3, &pool->handle), STATUS_OK);
    pool->semaphore = arena_at(&family, pool->handle.offset);
}

static void draw(void *with)
{
    struct pool *pool = with;
    semaphore_try(&family, pool->semaphore);
}

static void put_back(void *with)
{
    struct pool *pool = with;
    semaphore_release(&family, pool->semaphore);
}

static void check_pool(void *with)
{
    struct pool *pool = with;
    CHECK_EQUAL(semaphore_value(pool->semaphore), 3); /* what the dead process had is back */
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(semaphore_try(&family, pool->semaphore), STATUS_OK);
    CHECK_EQUAL(semaphore_try(&family, pool->semaphore), STATUS_AGAIN);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(semaphore_release(&family, pool->semaphore), STATUS_OK);
    handle_release(&family, &pool->handle);
}

TEST_WITHIN(1200, a_semaphore_s_user_killed_at_any_instruction)
{
    family_found(SMALL_RESERVE);
    struct pool pool;
    step_through(&(struct operation){"semaphore, acquire", NULL, draw, open_pool, check_pool},
                 &pool);
    step_through(&(struct operation){"semaphore, release", draw, put_back, open_pool, check_pool},
                 &pool);
}
