/* The condition: notifications reach their waiters, however many there are, and after any kill. */
#include <pthread.h>
#include <unistd.h>

#include "../sync/condition.h"
#include "family.h"

enum { WORKERS = 4, ROUNDS = 4000 / SLOWNESS };

/* ---- a queue of numbers, with a mutex for the user's lock */

struct stock {
    pthread_mutex_t lock;
    struct condition *condition;
    unsigned goods, taken;
};

static struct condition *new_condition(void)
{
    return arena_at(&family, family_condition().offset);
}

/* With the lock. Whether it was notified. */
static bool wait_on(struct condition *condition, pthread_mutex_t *lock)
{
    struct condition_wait wait;
    struct spin_wait spin_wait;
    spin_wait_init(&spin_wait);
    condition_enter(&family, condition, &wait);
    pthread_mutex_unlock(lock);
    enum status status;
    do
        status = condition_sleep(&family, condition, &wait, &spin_wait, DEADLINE_NEVER);
    while (status == STATUS_INTERRUPTED);
    pthread_mutex_lock(lock);
    return condition_leave(&family, condition, &wait, false);
}

static void *consume(void *with)
{
    struct stock *stock = with;
    for (unsigned i = 0; i < ROUNDS; i++) {
        pthread_mutex_lock(&stock->lock);
        while (stock->goods == 0)
            CHECK(wait_on(stock->condition, &stock->lock));
        stock->goods--;
        stock->taken++;
        pthread_mutex_unlock(&stock->lock);
    }
    return NULL;
}

static void *produce(void *with)
{
    struct stock *stock = with;
    for (unsigned i = 0; i < WORKERS * ROUNDS; i++) {
        pthread_mutex_lock(&stock->lock);
        stock->goods++;
        condition_notify(&family, stock->condition, 1);
        pthread_mutex_unlock(&stock->lock);
    }
    return NULL;
}

TEST_WITHIN(60, every_notification_reaches_a_waiter)
{
    family_found(SMALL_RESERVE);
    struct stock stock = {.condition = new_condition()};
    pthread_mutex_init(&stock.lock, NULL);
    pthread_t producer;
    CHECK_EQUAL(pthread_create(&producer, NULL, produce, &stock), 0);
    run_threads(consume, &stock, WORKERS);
    pthread_join(producer, NULL);
    CHECK_EQUAL(stock.taken, WORKERS * ROUNDS);
    CHECK_EQUAL(stock.goods, 0);
    CHECK_EQUAL(condition_waiting(&family, stock.condition), 0);
}

TEST(a_notification_that_is_forgone_goes_to_the_next)
{
    family_found(SMALL_RESERVE);
    struct condition *condition = new_condition();
    struct condition_wait first, second;
    condition_enter(&family, condition, &first);
    condition_enter(&family, condition, &second);
    condition_notify(&family, condition, 1);
    CHECK(condition_leave(&family, condition, &first, true));
    CHECK(condition_leave(&family, condition, &second, false));
    condition_enter(&family, condition, &first);
    CHECK(!condition_leave(&family, condition, &first, false));
}

static void enter_many(struct condition *condition, struct condition_wait *waits, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        condition_enter(&family, condition, &waits[i]);
}

/* Of *waits*, all of which leave. */
static unsigned leave_many(struct condition *condition, struct condition_wait *waits,
                           unsigned count)
{
    unsigned notified = 0;
    for (unsigned i = 0; i < count; i++)
        notified += condition_leave(&family, condition, &waits[i], false);
    return notified;
}

enum { MANY = 1000 };

TEST(a_notification_reaches_as_many_as_it_is_for_however_many_wait)
{
    static const unsigned counts[] = {1, 2, 31, 32, 33, 64, 65, 500, MANY - 1, MANY, MANY + 1};
    static struct condition_wait waits[MANY];
    family_found(SMALL_RESERVE);
    struct condition *condition = new_condition();
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        unsigned wanted = counts[i] < MANY ? counts[i] : MANY;
        enter_many(condition, waits, MANY);
        CHECK_EQUAL(condition_waiting(&family, condition), MANY);
        condition_notify(&family, condition, counts[i]);
        CHECK_EQUAL(condition_waiting(&family, condition), MANY - wanted);
        CHECK_EQUAL(leave_many(condition, waits, wanted), wanted); /* those that came first */
        CHECK_EQUAL(leave_many(condition, waits + wanted, MANY - wanted), 0);
        CHECK_EQUAL(atomic_load(&condition->top), 0);
    }
    enter_many(condition, waits, MANY);
    condition_notify(&family, condition, UINT64_MAX);
    CHECK_EQUAL(leave_many(condition, waits, MANY), MANY);
    family_check();
}

TEST(what_a_condition_has_grown_to_goes_with_it)
{
    static struct condition_wait waits[MANY];
    family_found(SMALL_RESERVE);
    uint64_t used = family_used();
    struct handle handle = family_condition();
    struct condition *condition = arena_at(&family, handle.offset);
    enter_many(condition, waits, MANY);
    CHECK_EQUAL(leave_many(condition, waits, MANY), 0);
    family_check();
    handle_release(&family, &handle);
    family_check();
    CHECK_EQUAL(family_used(), used);
}

static void use_up_memory(void)
{
    struct handle handle;
    for (uint64_t size = PAGE_BYTES; size >= 64; size /= 2)
        while (handle_create(&family, size, BLOCK_BYTES, NULL, NULL, &handle) == STATUS_OK)
            ;
}

TEST(a_waiter_without_memory_for_an_entry_is_woken_by_any_notification)
{
    family_found(UINT64_C(2) << 20);
    struct condition *condition = new_condition();
    use_up_memory();
    struct condition_wait waits[CONDITION_FIRST + 2];
    enter_many(condition, waits, CONDITION_FIRST + 2);
    CHECK_EQUAL(waits[CONDITION_FIRST].entry, CONDITION_NO_ENTRY);
    condition_notify(&family, condition, 1);
    CHECK(condition_leave(&family, condition, &waits[0], false));
    CHECK(!condition_leave(&family, condition, &waits[1], false));
    CHECK_EQUAL(leave_many(condition, waits + CONDITION_FIRST, 2), 2);
}

static void wait_for_ever(void *with)
{
    struct condition_wait waits[CONDITION_FIRST + 1];
    enter_many(with, waits, CONDITION_FIRST + 1);
    condition_notify(&family, with, 1);
    condition_leave(&family, with, &waits[0], true);
}

/* Killed at any point of these steps, a process leaves no entry behind; and a notification that had
 * reached it goes to the waiter that waited before it died. */
TEST_WITHIN(30, killed_anywhere_a_waiter_leaves_its_entries_and_notifications_to_others)
{
    family_found(SMALL_RESERVE);
    unsigned passage = 1;
    for (bool killed = true; killed; passage++) {
        struct handle handle = family_condition();
        struct condition *condition = arena_at(&family, handle.offset);
        killed = family_killed_at("*", passage, wait_for_ever, condition);
        CHECK_EQUAL(condition_waiting(&family, condition), 0);
        struct condition_wait mine;
        condition_enter(&family, condition, &mine);
        condition_notify(&family, condition, 1);
        CHECK(condition_leave(&family, condition, &mine, false));
        family_check();
        handle_release(&family, &handle);
    }
    CHECK(passage > 50);
}

static void wait_until_killed(void *condition)
{
    struct condition_wait wait;
    condition_enter(&family, condition, &wait);
    for (;;)
        pause();
}

TEST(what_reaches_a_dead_waiter_goes_to_the_next_also_in_an_overflow_block)
{
    struct condition_wait waits[CONDITION_FIRST], last;
    family_found(SMALL_RESERVE);
    struct condition *condition = new_condition();
    enter_many(condition, waits, CONDITION_FIRST);
    pid_t pid = family_start(wait_until_killed, condition);
    WAIT_UNTIL(condition_waiting(&family, condition) == CONDITION_FIRST + 1);
    condition_enter(&family, condition, &last);
    condition_notify(&family, condition, CONDITION_FIRST + 1);
    CHECK_EQUAL(condition_waiting(&family, condition), 1);
    child_kill(pid);
    condition_look_after(&family, condition); /* not reaped: found by a look */
    CHECK_EQUAL(condition_waiting(&family, condition), 0);
    CHECK(condition_leave(&family, condition, &last, false));
    CHECK_EQUAL(leave_many(condition, waits, CONDITION_FIRST), CONDITION_FIRST);
}
