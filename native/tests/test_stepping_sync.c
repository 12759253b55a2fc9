/* Locks, conditions, semaphores, killed between any two instructions: afterwards the survivors find
 * everything usable, and nothing is lost but what the dead process alone had.
 *
 * The limits of time are for `make stepping`, which tries every position. */
#include "../sync/condition.h"
#include "../sync/lock.h"
#include "../sync/semaphore.h"
#include "stepping.h"

/* ---- locks */

struct door {
    struct handle handle;
    struct lock *lock;
};

static void fill_lock(void *memory, uint64_t size, const void *with)
{
    (void)size, (void)with;
    lock_init(memory, LOCK_BREAKS);
}

static void open_door(void *with)
{
    struct door *door = with;
    CHECK_EQUAL(
        handle_create(&family, sizeof(struct lock), BLOCK_LOCK, fill_lock, NULL, &door->handle),
        STATUS_OK);
    door->lock = arena_at(&family, door->handle.payload);
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
    struct door *door = with;
    enum status status = take(door->lock);
    CHECK(status == STATUS_OK || status == STATUS_OWNER_DIED);
    if (status == STATUS_OK)
        CHECK_EQUAL(lock_release(door->lock), STATUS_OK);
}

static void take_it(void *with)
{
    struct door *door = with;
    take(door->lock);
}

static void give_it_back(void *with)
{
    struct door *door = with;
    lock_release(door->lock);
}

/* A waiter was never left waiting; who comes gets the lock, or is told of the death. */
static void check_door(void *with)
{
    struct door *door = with;
    pid_t waiter = family_start(wait_at, door);
    CHECK_EQUAL(family_end(waiter), 0);
    if (take(door->lock) == STATUS_OWNER_DIED) {
        CHECK(lock_reset(door->lock));
        CHECK_EQUAL(take(door->lock), STATUS_OK);
    }
    CHECK_EQUAL(lock_release(door->lock), STATUS_OK);
    handle_drop(&family, &door->handle);
}

TEST_WITHIN(1200, an_acquire_killed_at_any_instruction)
{
    family_found(SMALL_RESERVE);
    struct door door = {0};
    step_through(&(struct operation){"acquire", NULL, take_it, open_door, check_door}, &door);
    step_through(&(struct operation){"release", take_it, give_it_back, open_door, check_door},
                 &door);
}

/* ---- conditions: this process waits in two seats */

struct hall {
    struct handle handle;
    struct condition *condition;
    struct condition_wait first, second;
};

static void open_hall(void *with)
{
    struct hall *hall = with;
    hall->handle = family_condition();
    hall->condition = arena_at(&family, hall->handle.payload);
    condition_enter(&family, hall->condition, &hall->first);
    condition_enter(&family, hall->condition, &hall->second);
}

static void notify_one(void *with)
{
    struct hall *hall = with;
    condition_notify(&family, hall->condition, 1);
}

static void notify_all(void *with)
{
    struct hall *hall = with;
    condition_notify(&family, hall->condition, UINT64_MAX);
}

static void enter_and_leave(void *with)
{
    struct hall *hall = with;
    struct condition_wait wait;
    condition_enter(&family, hall->condition, &wait);
    condition_leave(&family, hall->condition, &wait, false);
}

/* Notifications reach the living, and nobody is notified without one. */
static void check_hall(void *with)
{
    struct hall *hall = with;
    condition_notify(&family, hall->condition, 2);
    CHECK(condition_leave(&family, hall->condition, &hall->first, false));
    CHECK(condition_leave(&family, hall->condition, &hall->second, false));
    condition_enter(&family, hall->condition, &hall->first);
    CHECK(!condition_leave(&family, hall->condition, &hall->first, false));
    CHECK_EQUAL(condition_waiting(&family, hall->condition), 0);
    handle_drop(&family, &hall->handle);
}

TEST_WITHIN(1200, a_notify_killed_at_any_instruction)
{
    family_found(SMALL_RESERVE);
    struct hall hall;
    step_through(&(struct operation){"notify", NULL, notify_one, open_hall, check_hall}, &hall);
    step_through(&(struct operation){"notify all", NULL, notify_all, open_hall, check_hall}, &hall);
    step_through(&(struct operation){"wait", NULL, enter_and_leave, open_hall, check_hall}, &hall);
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
    pool->semaphore = arena_at(&family, pool->handle.payload);
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
    CHECK_EQUAL(semaphore_value(pool->semaphore), 3); /* what the dead had is back */
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(semaphore_try(&family, pool->semaphore), STATUS_OK);
    CHECK_EQUAL(semaphore_try(&family, pool->semaphore), STATUS_AGAIN);
    for (unsigned i = 0; i < 3; i++)
        CHECK_EQUAL(semaphore_release(&family, pool->semaphore), STATUS_OK);
    handle_drop(&family, &pool->handle);
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
