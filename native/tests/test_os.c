/* The thin layer over the system: the mutex of a dead owner, whether a process is alive. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../os/clock.h"
#include "../os/futex.h"
#include "../os/liveness.h"
#include "../os/mutex.h"
#include "../os/parent_death.h"
#include "harness.h"

/* ---- mutex */

static void lock_it(void *mutex)
{
    mutex_lock(mutex);
}

static void lock_and_be_killed(void *mutex)
{
    mutex_lock(mutex);
    kill(getpid(), SIGKILL);
}

TEST(the_mutex_of_a_dead_owner_says_so_until_it_is_repaired)
{
    struct mutex *mutex = shared_memory(4096);
    mutex_init(mutex);
    CHECK_EQUAL(child_end(child_start(lock_it, mutex)), 0);
    CHECK_EQUAL(child_end(child_start(lock_it, mutex)),
                0); /* this one found it abandoned, and died as well */
    CHECK_EQUAL(child_end(child_start(lock_and_be_killed, mutex)), -SIGKILL);

    CHECK_EQUAL(mutex_lock(mutex), MUTEX_ABANDONED);
    mutex_repaired(mutex);
    mutex_unlock(mutex);
    CHECK_EQUAL(mutex_lock(mutex), MUTEX_CLEAN);
    mutex_unlock(mutex);
}

struct sum {
    struct mutex mutex;
    uint64_t one, two; /* equal when the mutex is not held */
};

static void add_for_ever(void *with)
{
    struct sum *sum = with;
    for (;;) {
        if (mutex_lock(&sum->mutex) == MUTEX_ABANDONED) {
            sum->two = sum->one;
            mutex_repaired(&sum->mutex);
        }
        if (sum->one != sum->two)
            FAIL("two were in the mutex at once");
        sum->one++;
        atomic_signal_fence(memory_order_seq_cst);
        sum->two++;
        mutex_unlock(&sum->mutex);
    }
}

/* Waiters are killed as well as owners: the wake-up of a dead waiter must go to another. */
TEST_WITHIN(30, random_kills_neither_break_the_mutex_nor_stop_the_others)
{
    enum { PROCESSES = 5 };
    struct sum *sum = shared_memory(sizeof *sum);
    pid_t pids[PROCESSES];
    uint64_t random = 99;
    mutex_init(&sum->mutex);
    for (unsigned i = 0; i < PROCESSES; i++)
        pids[i] = child_start(add_for_ever, sum);
    for (unsigned i = 0; i < 300 / SLOWNESS; i++) {
        unsigned index = (unsigned)(random_next(&random) % PROCESSES);
        uint64_t before = __atomic_load_n(&sum->one, __ATOMIC_RELAXED);
        WAIT_UNTIL(__atomic_load_n(&sum->one, __ATOMIC_RELAXED) > before);
        kill(pids[index], SIGKILL);
        CHECK_EQUAL(child_end(pids[index]), -SIGKILL);
        pids[index] = child_start(add_for_ever, sum);
    }
    for (unsigned i = 0; i < PROCESSES; i++)
        child_kill(pids[i]);
}

/* ---- clock, futex, liveness */

TEST(a_futex_wait_ends_at_its_deadline)
{
    _Atomic uint32_t word = 5;
    deadline_t deadline = clock_now() + 10 * NS_PER_MS;
    CHECK_EQUAL(futex_wait(&word, 4, DEADLINE_NEVER), FUTEX_WOKEN);
    CHECK_EQUAL(futex_wait(&word, 5, deadline), FUTEX_TIMED_OUT);
    CHECK(clock_now() >= deadline);
    CHECK_EQUAL(futex_wait(&word, 5, 0), FUTEX_TIMED_OUT);
    CHECK_EQUAL(futex_wake(&word, FUTEX_EVERYBODY), 0);
    CHECK(clock_next_slice(DEADLINE_NEVER) <= clock_now() + SLICE_NS);
    CHECK_EQUAL(clock_next_slice(7), 7);
}

static void end_at_once(void *unused)
{
    (void)unused;
}

TEST(the_kernel_tells_the_children_of_a_thread)
{
    pid_t pids[3] = {0};
    CHECK_EQUAL(process_children(pids, 3), 0);
    pid_t first = child_start(sleep_on, NULL), second = child_start(end_at_once, NULL);
    CHECK_EQUAL(process_children(pids, 3), 2);
    CHECK_EQUAL(pids[0], second);
    CHECK_EQUAL(pids[1], first);
    siginfo_t info;
    CHECK_EQUAL(waitid(P_PID, (id_t)second, &info, WEXITED | WNOWAIT), 0);
    CHECK_EQUAL(process_children(pids, 1), 2); /* a zombie still is a child */
    CHECK_EQUAL(pids[0], second);
    child_end(second);
    CHECK_EQUAL(process_children(pids, 3), 1);
    child_kill(first);
}

TEST(a_child_is_not_older_than_the_moment_before_its_fork)
{
    for (unsigned i = 0; i < 20; i++) {
        int64_t before = clock_now();
        pid_t pid = child_start(sleep_on, NULL);
        CHECK(process_start_time(pid) >= process_start_ticks(before));
        CHECK(process_start_time(pid) <= process_start_ticks(clock_now()) + 1);
        child_kill(pid);
    }
}

TEST(a_process_is_in_one_pid_namespace)
{
    struct stat file;
    CHECK_EQUAL(stat("/proc/self/ns/pid", &file), 0);
    CHECK_EQUAL(process_pid_namespace(), file.st_ino);
}

TEST(a_process_lives_until_it_is_a_zombie)
{
    pid_t pid = child_start(sleep_on, NULL);
    uint64_t start = process_start_time(pid);
    CHECK(start != START_UNKNOWN);
    CHECK(!process_has_ended(pid, start));
    CHECK(!process_has_ended(pid, START_UNKNOWN));
    CHECK(process_has_ended(pid, start + 1));
    kill(pid, SIGSTOP);
    CHECK(!process_has_ended(pid, start));
    kill(pid, SIGKILL);
    siginfo_t info;
    CHECK_EQUAL(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
    CHECK(process_has_ended(pid, start));
    child_end(pid);
    CHECK(process_has_ended(pid, start));
    CHECK_EQUAL(process_start_time(pid), START_UNKNOWN);
    CHECK(!process_has_ended(getpid(), process_start_time(getpid())));
    CHECK(process_cpu_count() >= 1);
}

/* ---- the death pipe */

static bool has_hung_up(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};
    return poll(&look, 1, 0) == 1;
}

/* Tells its read end's number, which is the same in the process that forked it. */
static void give_a_death_pipe(void *with)
{
    *(atomic_int *)with = parent_death_read_end();
    sleep_on(NULL);
}

static int opened_from(pid_t pid, int fd)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/fd/%d", (int)pid, fd);
    return open(path, O_RDONLY | O_CLOEXEC);
}

TEST(a_death_pipe_hangs_up_when_its_process_ends)
{
    atomic_int *end = shared_memory(4096);
    pid_t pid = child_start(give_a_death_pipe, end);
    WAIT_UNTIL(atomic_load(end) != 0);
    int fd = opened_from(pid, atomic_load(end));
    CHECK(fd >= 0);

    CHECK(!has_hung_up(fd));
    child_kill(pid);
    CHECK(has_hung_up(fd));
}

static void link_and_sleep(void *with)
{
    int *numbers = with; /* the read end of the death pipe; 1 when linked */
    int link = death_link_open(numbers[0]);
    CHECK(link >= 0);
    death_link_arm(link);
    __atomic_store_n(&numbers[1], 1, __ATOMIC_RELEASE);
    sleep_on(NULL);
}

TEST(a_linked_process_dies_with_the_other)
{
    atomic_int *end = shared_memory(4096);
    pid_t pid = child_start(give_a_death_pipe, end);
    WAIT_UNTIL(atomic_load(end) != 0);
    int *numbers = shared_memory(4096);
    numbers[0] = opened_from(pid, atomic_load(end));
    pid_t linked = child_start(link_and_sleep, numbers);
    WAIT_UNTIL(__atomic_load_n(&numbers[1], __ATOMIC_ACQUIRE));
    CHECK(!process_has_ended(linked, START_UNKNOWN));

    child_kill(pid);
    CHECK_EQUAL(child_end(linked), -SIGKILL);
    CHECK_EQUAL(child_end(child_start(link_and_sleep, numbers)),
                -SIGKILL); /* a link made too late kills at once */
}

static void be_linked_by_the_fork(void *unused)
{
    parent_death_after_fork_in_child();
    sleep_on(unused);
}

TEST(a_fork_is_linked_to_each_process_that_was_named)
{
    atomic_int *end = shared_memory(4096);
    for (int dying = 0; dying < 2; dying++) {
        pid_t pids[2];
        int ends[2];
        for (int i = 0; i < 2; i++) {
            atomic_store(end, 0);
            pids[i] = child_start(give_a_death_pipe, end);
            WAIT_UNTIL(atomic_load(end) != 0);
            ends[i] = opened_from(pids[i], atomic_load(end));
        }
        CHECK(parent_death_prepare_fork(ends, 2));
        parent_death_before_fork();
        pid_t linked = child_start(be_linked_by_the_fork, NULL);
        parent_death_after_fork_in_parent();
        CHECK(!process_has_ended(linked, START_UNKNOWN));

        child_kill(pids[dying]);
        CHECK_EQUAL(child_end(linked), -SIGKILL);
        child_kill(pids[!dying]);
    }
}

TEST(what_cannot_be_linked_to_is_an_error_before_the_fork)
{
    int closed[2] = {parent_death_read_end(), 999};
    CHECK(!parent_death_prepare_fork(closed, 2));
    CHECK_EQUAL(errno, ENOENT);
    parent_death_before_fork(); /* nothing is locked, and there is no link */
    pid_t pid = child_start(be_linked_by_the_fork, NULL);
    parent_death_after_fork_in_parent();
    CHECK(!process_has_ended(pid, START_UNKNOWN));
    child_kill(pid);
}

static void sleep_as_a_fork_does(void *unused)
{
    parent_death_after_fork_in_child();
    sleep_on(unused);
}

TEST(a_fork_does_not_hold_its_parents_death_pipe)
{
    atomic_int *end = shared_memory(4096);
    int own = parent_death_read_end();
    CHECK(own >= 0);
    CHECK_EQUAL(parent_death_read_end(), own);
    parent_death_before_fork();
    pid_t pid = child_start(sleep_as_a_fork_does, end);
    parent_death_after_fork_in_parent();
    CHECK(!has_hung_up(own));
    /* Neither the child's nor its own write end is left when this process gives up its one. */
    parent_death_before_fork();
    parent_death_after_fork_in_child();

    WAIT_UNTIL(has_hung_up(own));
    CHECK(parent_death_read_end() >= 0);
    child_kill(pid);
}
