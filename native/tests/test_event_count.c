/* Sleeping and waking: the event count, and how long to spin before it. */
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include "../sync/event_count.h"
#include "../sync/spin_wait.h"
#include "harness.h"

struct cell {
    struct event_count sleepers;
    _Atomic uint32_t word;
};

/* What every user of an event count does. How many sleeps ended with their slice rather than by a
 * wake-up. */
static unsigned wait_for(struct cell *cell, uint32_t wanted)
{
    unsigned vain = 0;
    for (;;) {
        uint32_t seen = atomic_load(&cell->word);
        if (seen == wanted)
            return vain;
        uint32_t count = event_count_prepare(&cell->sleepers);
        if (atomic_load(&cell->word) != seen)
            continue;
        vain += event_count_sleep(&cell->sleepers, count, DEADLINE_NEVER) == STATUS_INTERRUPTED;
    }
}

static void change(struct cell *cell, uint32_t value, unsigned count)
{
    atomic_store_explicit(&cell->word, value, memory_order_release);
    event_count_advance(&cell->sleepers, count);
}

enum { ROUNDS = 30000 / SLOWNESS };

static void *answer(void *with)
{
    struct cell *cells = with;
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        wait_for(&cells[0], i);
        change(&cells[1], i, 1);
    }
    return NULL;
}

TEST_WITHIN(30, of_two_that_wake_each_other_none_sleeps_through)
{
    static struct cell cells[2];
    pthread_t thread;
    unsigned vain = 0;
    CHECK_EQUAL(pthread_create(&thread, NULL, answer, cells), 0);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        change(&cells[0], i, 1);
        vain += wait_for(&cells[1], i);
    }
    pthread_join(thread, NULL);
    CHECK(vain < 4); /* a busy machine may keep the other from running for a slice */
}

enum { SLEEPERS = 6, TURNS = 3000 / SLOWNESS };

static struct cell shared_cell;
static _Atomic uint32_t arrived;

static void *follow(void *unused)
{
    (void)unused;
    uintptr_t vain = 0;
    for (uint32_t i = 1; i <= TURNS; i++) {
        vain += wait_for(&shared_cell, i);
        atomic_fetch_add(&arrived, 1);
    }
    return (void *)vain;
}

TEST_WITHIN(30, everybody_is_woken_each_time)
{
    pthread_t threads[SLEEPERS];
    uintptr_t vain = 0;
    for (unsigned i = 0; i < SLEEPERS; i++)
        CHECK_EQUAL(pthread_create(&threads[i], NULL, follow, NULL), 0);
    for (uint32_t i = 1; i <= TURNS; i++) {
        change(&shared_cell, i, FUTEX_EVERYBODY);
        while (atomic_load(&arrived) < i * SLEEPERS)
            usleep(1);
    }
    for (unsigned i = 0; i < SLEEPERS; i++) {
        void *result;
        pthread_join(threads[i], &result);
        vain += (uintptr_t)result;
    }
    CHECK(vain < 2 * SLEEPERS);
}

/* Takers that find the stock empty sleep; each unit put wakes one. They come and go between
 * wake-ups, so that a waker often finds no thread asleep where one is about to be. */
static struct cell stock_cell;
static _Atomic uint32_t stock;

static bool take_one(void)
{
    uint32_t there = atomic_load(&stock);
    while (there > 0)
        if (atomic_compare_exchange_weak(&stock, &there, there - 1))
            return true;
    return false;
}

static void *take_units(void *unused)
{
    (void)unused;
    uintptr_t vain = 0;
    for (unsigned i = 0; i < ROUNDS; i++)
        while (!take_one()) {
            uint32_t count = event_count_prepare(&stock_cell.sleepers);
            if (atomic_load(&stock) > 0)
                continue;
            vain += event_count_sleep(&stock_cell.sleepers, count, DEADLINE_NEVER) ==
                    STATUS_INTERRUPTED;
        }
    return (void *)vain;
}

static void *put_units(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < ROUNDS; i++) {
        while (atomic_load(&stock) > 0)
            sched_yield(); /* so that the takers find nothing, most of the time */
        atomic_fetch_add(&stock, 1);
        event_count_advance(&stock_cell.sleepers, 1);
    }
    return NULL;
}

TEST_WITHIN(60, no_taker_sleeps_beside_a_full_stock)
{
    enum { PAIRS = 3 };
    pthread_t takers[PAIRS], putters[PAIRS];
    uintptr_t vain = 0;
    for (unsigned i = 0; i < PAIRS; i++) {
        CHECK_EQUAL(pthread_create(&takers[i], NULL, take_units, NULL), 0);
        CHECK_EQUAL(pthread_create(&putters[i], NULL, put_units, NULL), 0);
    }
    for (unsigned i = 0; i < PAIRS; i++)
        pthread_join(putters[i], NULL);
    for (unsigned i = 0; i < PAIRS; i++) {
        void *result;
        pthread_join(takers[i], &result);
        vain += (uintptr_t)result;
    }
    CHECK_EQUAL(atomic_load(&stock), 0);
    CHECK(vain < 2 * PAIRS); /* a busy machine may keep all the putters from running for a slice */
}

TEST(the_bit_of_dead_sleepers_is_cleared_by_the_first_waker_that_finds_none)
{
    struct cell cell = {{0}, 0};
    event_count_prepare(&cell.sleepers);
    event_count_prepare(&cell.sleepers);
    change(&cell, 1, 1); /* no thread sleeps */
    uint32_t word = atomic_load(&cell.sleepers.word);
    CHECK(!(word & 1));
    change(&cell, 2, 1);
    CHECK_EQUAL(atomic_load(&cell.sleepers.word), word); /* now it costs nothing */
}

/* Between its look and its sleep: the bit that it set may be taken for one that a killed process
 * left. */
TEST(a_thread_about_to_sleep_does_not_once_its_bit_was_cleared)
{
    struct cell cell = {{0}, 0};
    for (unsigned wake = 1; wake < 4; wake++) {
        uint32_t count = event_count_prepare(&cell.sleepers);
        change(&cell, wake, wake < 3 ? wake : FUTEX_EVERYBODY);
        CHECK(!(atomic_load(&cell.sleepers.word) & 1));
        CHECK_EQUAL(event_count_sleep(&cell.sleepers, count, DEADLINE_NEVER), STATUS_OK);
    }
}

TEST(the_number_wraps_without_a_trace)
{
    struct cell cell = {{UINT32_MAX - 2}, 0};
    for (unsigned i = 0; i < 4; i++) {
        uint32_t count = event_count_prepare(&cell.sleepers);
        change(&cell, i, 1);
        CHECK_EQUAL(event_count_sleep(&cell.sleepers, count, DEADLINE_NEVER), STATUS_OK);
        CHECK(!(atomic_load(&cell.sleepers.word) & 1));
    }
}

TEST(a_sleep_ends_at_its_deadline_or_its_slice)
{
    struct cell cell = {{0}, 0};
    deadline_t begun = clock_now();
    CHECK_EQUAL(sleep_a_slice(&cell.word, 1, DEADLINE_NEVER), STATUS_OK); /* it is not 1 */
    CHECK_EQUAL(sleep_a_slice(&cell.word, 0, begun + 30 * NS_PER_MS), STATUS_TIMED_OUT);
    CHECK(clock_now() >= begun + 30 * NS_PER_MS);
    CHECK_EQUAL(sleep_a_slice(&cell.word, 0, begun), STATUS_TIMED_OUT);
    begun = clock_now();
    CHECK_EQUAL(sleep_a_slice(&cell.word, 0, DEADLINE_NEVER), STATUS_INTERRUPTED);
    CHECK(clock_now() >= begun + SLICE_NS);
}

static void on_alarm(int signal)
{
    (void)signal;
}

TEST(a_signal_ends_a_sleep)
{
    struct cell cell = {{0}, 0};
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
    ualarm(20000, 0);
    deadline_t begun = clock_now();
    CHECK_EQUAL(sleep_a_slice(&cell.word, 0, DEADLINE_NEVER), STATUS_INTERRUPTED);
    CHECK(clock_now() - begun < SLICE_NS || SLOWNESS > 1);
}

/* ---- spinning */

static void *change_soon(void *word)
{
    atomic_store((_Atomic uint32_t *)word, 1);
    return NULL;
}

TEST(a_spin_sees_the_change_or_gives_up)
{
    struct spin_wait spin_wait;
    _Atomic uint32_t word = 0;
    spin_wait_init(&spin_wait);
    deadline_t begun = clock_now();
    CHECK(!spin_wait_while(&spin_wait, &word, 0));
    CHECK(clock_now() - begun < 5 * NS_PER_S);
    atomic_store(&spin_wait.spin, 5 * NS_PER_S);
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, change_soon, &word), 0);
    CHECK(spin_wait_while(&spin_wait, &word, 0));
    pthread_join(thread, NULL);
}

TEST(long_sleeps_teach_not_to_spin_and_short_ones_to_spin_again)
{
    struct spin_wait spin_wait;
    spin_wait_init(&spin_wait);
    nanoseconds first = atomic_load(&spin_wait.spin);
    for (unsigned i = 0; i < 20; i++)
        spin_wait_slept(&spin_wait, NS_PER_S);
    nanoseconds last = atomic_load(&spin_wait.spin);
    CHECK(first == 0 || last < first / 10);
    spin_wait_slept(&spin_wait, NS_PER_US);
    CHECK_EQUAL(atomic_load(&spin_wait.spin), first);
}
