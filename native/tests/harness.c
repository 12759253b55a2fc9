#include "harness.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../crash_point.h"
#include "../os/clock.h"

enum { CHECK_FAILED = 99 };

static struct test *first, **last = &first;

void test_register(struct test *test)
{
    *last = test;
    last = &test->next;
}

void check_failed(const char *file, int line, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    flockfile(stderr);
    fprintf(stderr, "    %s:%d: ", file, line);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    funlockfile(stderr);
    va_end(arguments);
    _exit(CHECK_FAILED);
}

/* ---- child processes */

static int status_of(int wait_status)
{
    return WIFSIGNALED(wait_status) ? -WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

pid_t child_start(void (*body)(void *with), void *with)
{
    pid_t parent = getpid(), pid = fork();
    CHECK(pid >= 0);
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() == parent)
        body(with);
    _exit(0);
}

int child_end(pid_t pid)
{
    int status;
    pid_t ended;
    do
        ended = waitpid(pid, &status, 0);
    while (ended < 0);
    return status_of(status);
}

void child_kill(pid_t pid)
{
    kill(pid, SIGKILL);
    child_end(pid);
}

/* As /proc/PID/stat says: "pid (name) S ...". */
bool child_sleeps(pid_t pid)
{
    char path[40], text[64] = {0};
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    FILE *file = fopen(path, "r");
    CHECK(file != NULL);
    size_t size = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    const char *end = size ? strrchr(text, ')') : NULL;
    return end && end[1] == ' ' && end[2] == 'S';
}

void run_kill_plan(void *with)
{
    struct kill_plan *plan = with;
    crash_point_arm(plan->point, plan->passage);
    plan->body(plan->with);
}

bool child_killed_at(const char *point, unsigned passage, void (*body)(void *with), void *with)
{
    struct kill_plan plan = {point, passage, body, with};
    int status = child_end(child_start(run_kill_plan, &plan));
    if (status != 0 && status != -SIGKILL)
        FAIL("the child to be killed at passage %u of %s ended with %d", passage, point, status);
    return status == -SIGKILL;
}

void do_nothing(void *unused)
{
    (void)unused;
}

void sleep_on(void *unused)
{
    (void)unused;
    for (;;)
        pause();
}

/* ---- threads */

void run_threads(void *(*body)(void *with), void *with, unsigned count)
{
    pthread_t threads[RUN_THREADS_MOST];
    CHECK(count <= RUN_THREADS_MOST);
    for (unsigned i = 0; i < count; i++)
        CHECK_EQUAL(pthread_create(&threads[i], NULL, body, with), 0);
    for (unsigned i = 0; i < count; i++)
        pthread_join(threads[i], NULL);
}

/* ---- odds and ends */

int64_t wait_limit(void)
{
    return clock_now() + 5 * NS_PER_S * SLOWNESS;
}

bool wait_is_over(int64_t limit)
{
    return clock_now() > limit;
}

void wait_a_little(void)
{
    nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS / 5}, NULL);
}

uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * UINT64_C(2685821657736338717);
}

void *shared_memory(uint64_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

/* ---- running tests */

static bool is_wanted(const struct test *test, int count, char **words)
{
    for (int i = 0; i < count; i++)
        if (strstr(test->name, words[i]))
            return true;
    return count == 0;
}

/* False: the limit passed first. */
static bool ends_within(pid_t pid, unsigned limit_s)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return true; /* too old a kernel: then nothing limits the wait but meson's own limit */
    struct pollfd watch = {.fd = fd, .events = POLLIN};
    bool ended = poll(&watch, 1, (int)limit_s * 1000 * SLOWNESS) == 1;
    close(fd);
    return ended;
}

static bool run(const struct test *test)
{
    fflush(NULL);
    deadline_t begun = clock_now();
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        setpgid(0, 0);
        test->body();
        exit(0); /* not _exit: the sanitizers have their say */
    }
    setpgid(pid, pid); /* parent and child both do it: one of them is first */
    bool in_time = ends_within(pid, test->limit_s);
    kill(-pid, SIGKILL);
    int status = child_end(pid);
    int64_t ms = (clock_now() - begun) / NS_PER_MS;
    if (!in_time)
        printf("TOO LONG  %s: not done after %u s\n", test->name, test->limit_s * SLOWNESS);
    else if (status != 0)
        printf("FAILED    %s: ended with %d\n", test->name, status);
    else
        printf("ok        %s (%" PRId64 " ms)\n", test->name, ms);
    return in_time && status == 0;
}

int main(int count, char **words)
{
    unsigned failed = 0;
    for (struct test *test = first; test; test = test->next)
        if (is_wanted(test, count - 1, words + 1))
            failed += !run(test);
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
