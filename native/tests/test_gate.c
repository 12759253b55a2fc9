/* Sleeping and waking: the gate, and how long to spin before it. */
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include "../sync/gate.h"
#include "../sync/patience.h"
#include "harness.h"

struct door {
    struct gate gate;
    _Atomic uint32_t word;
};

/* What every user of a gate does. How many sleeps ended with their slice rather than by a wake-up. */
static unsigned wait_for(struct door *door, uint32_t wanted)
{
    unsigned vain = 0;
    for (;;) {
        uint32_t seen = atomic_load(&door->word);
        if (seen == wanted)
            return vain;
        gate_take_ticket(&door->gate);
        if (atomic_load(&door->word) != seen)
            continue;
        vain += gate_sleep(&door->word, seen, DEADLINE_NEVER) == STATUS_INTERRUPTED;
    }
}

static void change(struct door *door, uint32_t value, unsigned count)
{
    atomic_store_explicit(&door->word, value, memory_order_release);
    gate_open(&door->gate, &door->word, count);
}

enum { ROUNDS = 30000 / SLOWNESS };

static void *answer(void *with)
{
    struct door *doors = with;
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        wait_for(&doors[0], i);
        change(&doors[1], i, 1);
    }
    return NULL;
}

TEST_WITHIN(30, of_two_that_wake_each_other_none_sleeps_through)
{
    static struct door doors[2];
    pthread_t thread;
    unsigned vain = 0;
    CHECK_EQUAL(pthread_create(&thread, NULL, answer, doors), 0);
    for (uint32_t i = 1; i <= ROUNDS; i++) {
        change(&doors[0], i, 1);
        vain += wait_for(&doors[1], i);
    }
    pthread_join(thread, NULL);
    CHECK(vain < 4); /* a busy machine may keep the other from running for a slice */
}

enum { SLEEPERS = 6, TURNS = 3000 / SLOWNESS };

static struct door arena_door;
static _Atomic uint32_t arrived;

static void *follow(void *unused)
{
    (void)unused;
    uintptr_t vain = 0;
    for (uint32_t i = 1; i <= TURNS; i++) {
        vain += wait_for(&arena_door, i);
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
        change(&arena_door, i, FUTEX_EVERYBODY);
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

TEST(tickets_of_the_dead_are_cleared_and_never_wrap_to_nobody)
{
    struct door door = {{0}, 0};
    gate_take_ticket(&door.gate);
    gate_take_ticket(&door.gate);
    change(&door, 1, 1); /* nobody is behind them */
    CHECK_EQUAL(atomic_load(&door.gate.tickets), 0);
    atomic_store(&door.gate.tickets, UINT32_MAX - 1);
    for (unsigned i = 0; i < 4; i++) {
        gate_take_ticket(&door.gate);
        CHECK(atomic_load(&door.gate.tickets) != 0);
    }
}

TEST(a_sleep_ends_at_its_deadline_or_its_slice)
{
    struct door door = {{0}, 0};
    deadline_t begun = clock_now();
    CHECK_EQUAL(gate_sleep(&door.word, 1, DEADLINE_NEVER), STATUS_OK); /* it is not 1 */
    CHECK_EQUAL(gate_sleep(&door.word, 0, begun + 30 * NS_PER_MS), STATUS_TIMED_OUT);
    CHECK(clock_now() >= begun + 30 * NS_PER_MS);
    CHECK_EQUAL(gate_sleep(&door.word, 0, begun), STATUS_TIMED_OUT);
    begun = clock_now();
    CHECK_EQUAL(gate_sleep(&door.word, 0, DEADLINE_NEVER), STATUS_INTERRUPTED);
    CHECK(clock_now() >= begun + SLICE_NS);
}

static void on_alarm(int signal)
{
    (void)signal;
}

TEST(a_signal_ends_a_sleep)
{
    struct door door = {{0}, 0};
    sigaction(SIGALRM, &(struct sigaction){.sa_handler = on_alarm}, NULL);
    ualarm(20000, 0);
    deadline_t begun = clock_now();
    CHECK_EQUAL(gate_sleep(&door.word, 0, DEADLINE_NEVER), STATUS_INTERRUPTED);
    CHECK(clock_now() - begun < SLICE_NS || SLOWNESS > 1);
}

/* ---- patience */

static void *change_soon(void *word)
{
    atomic_store((_Atomic uint32_t *)word, 1);
    return NULL;
}

TEST(a_spin_sees_the_change_or_gives_up)
{
    struct patience patience;
    _Atomic uint32_t word = 0;
    patience_init(&patience);
    deadline_t begun = clock_now();
    CHECK(!patience_spin(&patience, &word, 0));
    CHECK(clock_now() - begun < 5 * NS_PER_S);
    atomic_store(&patience.spin, 5 * NS_PER_S);
    pthread_t thread;
    CHECK_EQUAL(pthread_create(&thread, NULL, change_soon, &word), 0);
    CHECK(patience_spin(&patience, &word, 0));
    pthread_join(thread, NULL);
}

TEST(long_sleeps_teach_not_to_spin_and_short_ones_to_spin_again)
{
    struct patience patience;
    patience_init(&patience);
    nanoseconds first = atomic_load(&patience.spin);
    for (unsigned i = 0; i < 20; i++)
        patience_slept(&patience, NS_PER_S);
    nanoseconds last = atomic_load(&patience.spin);
    CHECK(first == 0 || last < first / 10);
    patience_slept(&patience, NS_PER_US);
    CHECK_EQUAL(atomic_load(&patience.spin), first);
}
