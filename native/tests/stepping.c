#include "stepping.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../os/clock.h"

#define NEVER UINT64_MAX

struct run {
    const struct operation *operation;
    void *stage;
};

void step_be_traced(void)
{
    CHECK_EQUAL(ptrace(PTRACE_TRACEME, 0, NULL, NULL), 0);
    raise(SIGSTOP);
}

static void run_traced(void *with)
{
    struct run *run = with;
    if (run->operation->enter)
        run->operation->enter(run->stage);
    step_be_traced();
    run->operation->run(run->stage);
    raise(SIGSTOP);
}

/* Waits for the next stop; the signal. */
static int await_stop(pid_t pid)
{
    int status;
    CHECK_EQUAL(waitpid(pid, &status, 0), pid);
    if (!WIFSTOPPED(status))
        FAIL("the stepped process ended by itself: status %d", status);
    return WSTOPSIG(status);
}

void step_await(pid_t pid)
{
    CHECK_EQUAL(await_stop(pid), SIGSTOP);
}

bool step_one(pid_t pid)
{
    CHECK_EQUAL(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
    return await_stop(pid) != SIGSTOP;
}

void step_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    CHECK_EQUAL(child_end(pid), -SIGKILL);
}

/* Lets the child go up to *limit* instructions on; how many it went before the operation's end. */
static uint64_t step(pid_t pid, uint64_t limit)
{
    step_await(pid);
    uint64_t steps = 0;
    while (steps < limit && step_one(pid))
        steps++;
    return steps;
}

/* How many instructions the child did before it was killed. */
static uint64_t trial(const struct operation *operation, void *stage, uint64_t limit)
{
    operation->set_up(stage);
    pid_t pid = family_start(run_traced, &(struct run){operation, stage});
    uint64_t steps = step(pid, limit);
    family_kill(pid);
    family_check();
    operation->check(stage);
    family_check();
    return steps;
}

static uint64_t number_from(const char *variable, uint64_t otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

void step_through(const struct operation *operation, void *stage)
{
    uint64_t limit = number_from("PROCESSION_STEPS", 60 / (SLOWNESS * SLOWNESS));
    uint64_t seed = number_from("PROCESSION_TEST_SEED", (uint64_t)clock_now()), random = seed | 1;
    uint64_t length = trial(operation, stage, NEVER);
    uint64_t used = family_used(); /* what lives on in the arena is there by now */
    bool all = length <= limit;
    uint64_t count = all ? length : limit;
    printf("    %s: killed at %" PRIu64 " of %" PRIu64 " positions (PROCESSION_TEST_SEED=%" PRIu64
           ")\n",
           operation->name, count, length, seed);
    fflush(stdout);
    for (uint64_t i = 0; i < count; i++) {
        uint64_t position = all ? i : random_next(&random) % length;
        uint64_t done = trial(operation, stage, position);
        if (done != position && done < position / 2)
            FAIL("%s: %" PRIu64 " instructions, not %" PRIu64, operation->name, done, position);
        if (family_used() != used)
            FAIL("%s: killed after %" PRIu64 " instructions: %" PRId64 " bytes more are in use",
                 operation->name, position, (int64_t)(family_used() - used));
    }
}
