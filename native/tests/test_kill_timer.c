/* A process kills itself: in time, and only for the task that is cancelled. */
#include <signal.h>
#include <stdatomic.h>
#include <unistd.h>

#include "../os/kill_timer.h"
#include "harness.h"

static void be_too_slow(void *with)
{
    _Atomic uint32_t *begun = with;
    CHECK(kill_timer_set(clock_now() + 50 * NS_PER_MS));
    for (;;)
        atomic_fetch_add(begun, 1);
}

TEST(a_process_that_takes_too_long_is_killed)
{
    _Atomic uint32_t *begun = shared_memory(4096);
    deadline_t start = clock_now();
    CHECK_EQUAL(child_end(child_start(be_too_slow, (void *)begun)), -SIGKILL);
    CHECK(clock_now() - start >= 50 * NS_PER_MS);
    CHECK(atomic_load(begun) > 0);
}

static void be_in_time(void *with)
{
    (void)with;
    CHECK(kill_timer_set(clock_now() + 20 * NS_PER_MS));
    kill_timer_cancel();
    usleep(60 * 1000);
}

TEST(a_process_that_was_in_time_lives_on)
{
    CHECK_EQUAL(child_end(child_start(be_in_time, NULL)), 0);
}

static void fork_after_set(void *with)
{
    CHECK(kill_timer_set(clock_now() + NS_PER_S * 60));
    CHECK_EQUAL(child_end(child_start(be_too_slow, with)), -SIGKILL);
    CHECK_EQUAL(child_end(child_start(be_in_time, NULL)), 0);
}

TEST(a_forked_child_has_a_timer_of_its_own)
{
    CHECK_EQUAL(child_end(child_start(fork_after_set, shared_memory(4096))), 0);
}

/* ---- for a task */

struct task_words {
    _Atomic uint64_t current, cancelled;
    _Atomic uint32_t ready, signals;
};

static void work(void *with)
{
    struct task_words *words = with;
    CHECK(kill_signal_install(&words->current, &words->cancelled));
    atomic_store(&words->ready, 1);
    for (;;)
        pause();
}

TEST(a_process_ends_for_its_task_and_for_no_other)
{
    struct task_words *words = shared_memory(4096);
    pid_t pid = child_start(work, words);
    WAIT_UNTIL(atomic_load(&words->ready) == 1);

    kill(pid, kill_signal_number()); /* there is no task, and none is cancelled */
    atomic_store(&words->cancelled, 7);
    kill(pid, kill_signal_number());
    atomic_store(&words->current, 8);
    kill(pid, kill_signal_number());
    usleep(20 * 1000);
    CHECK_EQUAL(kill(pid, 0), 0);
    atomic_store(&words->cancelled, 8);
    kill(pid, kill_signal_number());

    CHECK_EQUAL(child_end(pid), -SIGKILL);
}
