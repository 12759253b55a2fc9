/* What a crashed process said: kept in shared memory, and written where it was meant to go. */
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../os/crash_report.h"
#include "harness.h"

#define CHECK_STRING(is, wanted) CHECK(strcmp(is, wanted) == 0)

enum { ROOM = 256 };

struct scene {
    const char *text; /* what the handler below writes */
    char *memory;
    int error; /* what the process's standard error is; -1: closed */
};

static const char *said;

/* As faulthandler's handler does it. */
static void write_and_die(int number)
{
    signal(number, SIG_DFL);
    CHECK_EQUAL(write(STDERR_FILENO, said, strlen(said)), strlen(said));
    raise(number);
}

static void handle(int number, void (*handler)(int))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_NODEFER};
    CHECK_EQUAL(sigaction(number, &action, NULL), 0);
}

static void crash(void *with)
{
    struct scene *scene = with;
    said = scene->text;
    handle(SIGSEGV, write_and_die);
    crash_report_keep(scene->memory, ROOM);
    crash_report_keep(scene->memory, ROOM); /* again, as in a fork of a fork */
    if (scene->error >= 0)
        dup2(scene->error, STDERR_FILENO);
    else
        close(STDERR_FILENO);
    raise(SIGSEGV);
}

/* What *scene*'s process wrote to its standard error. */
static const char *crashed(struct scene *scene)
{
    static char text[64 * 1024];
    scene->memory = shared_memory(ROOM);
    scene->error = memfd_create("standard error", 0);
    CHECK_EQUAL(child_end(child_start(crash, scene)), -SIGSEGV);
    ssize_t length = pread(scene->error, text, sizeof text - 1, 0);
    CHECK(length >= 0);
    text[length] = '\0';
    close(scene->error);
    return text;
}

TEST(the_report_is_kept_and_written)
{
    struct scene scene = {.text = "Fatal: why\n\nwhere\n"};

    CHECK_STRING(crashed(&scene), "Fatal: why\n\nwhere\n");

    CHECK_STRING(scene.memory, "Fatal: why\n\nwhere\n");
}

TEST(of_many_threads_that_of_the_crash_is_kept)
{
    static char text[40 * 1024];
    strcpy(text, "Fatal: why\n\n");
    while (strlen(text) < 20 * 1024)
        strcat(text, "Thread 1\n  somewhere\n");
    strcat(text, "Current thread 2\n  here\n");
    struct scene scene = {.text = text};

    CHECK_STRING(crashed(&scene), text);

    CHECK_STRING(scene.memory, "Fatal: why\nCurrent thread 2\n  here\n");
}

TEST(more_than_there_is_room_for_is_cut_off)
{
    char text[2 * ROOM + 1];
    memset(text, 'x', 2 * ROOM);
    text[2 * ROOM] = '\0';
    struct scene scene = {.text = text};

    CHECK_STRING(crashed(&scene), text);

    CHECK_EQUAL(strlen(scene.memory), ROOM - 1);
}

TEST(without_a_standard_error_they_are_kept_all_the_same)
{
    struct scene scene = {.text = "Fatal\n", .memory = shared_memory(ROOM), .error = -1};

    CHECK_EQUAL(child_end(child_start(crash, &scene)), -SIGSEGV);

    CHECK_STRING(scene.memory, "Fatal\n");
}

static void crash_in_a_fork(void *with)
{
    struct scene *scene = with;
    said = scene->text;
    handle(SIGSEGV, write_and_die);
    crash_report_keep(scene->memory, ROOM);
    dup2(scene->error, STDERR_FILENO);
    pid_t fork_of_it = fork();
    if (fork_of_it == 0)
        raise(SIGSEGV);
    CHECK_EQUAL(child_end(fork_of_it), -SIGSEGV);
}

TEST(a_fork_writes_its_report_and_leaves_the_shared_memory_alone)
{
    struct scene scene = {.text = "Fatal\n", .memory = shared_memory(ROOM)};
    scene.error = memfd_create("standard error", 0);

    CHECK_EQUAL(child_end(child_start(crash_in_a_fork, &scene)), 0);

    char text[ROOM] = "";
    CHECK_EQUAL(pread(scene.error, text, sizeof text, 0), strlen("Fatal\n"));
    CHECK_STRING(text, "Fatal\n");
    CHECK_STRING(scene.memory, "");
    close(scene.error);
}

static int times_handled;

static void count(int number)
{
    (void)number;
    times_handled++;
}

static void survive(void *memory)
{
    handle(SIGABRT, count);
    CHECK(!crash_report_signals_unhandled());
    crash_report_keep(memory, ROOM);
    raise(SIGABRT);
    raise(SIGABRT);
    CHECK_EQUAL(times_handled, 2);
}

TEST(a_handler_that_returns_is_called_each_time)
{
    CHECK_EQUAL(child_end(child_start(survive, shared_memory(ROOM))), 0);
}

static void take_faults(int number, siginfo_t *info, void *context)
{
    (void)number, (void)context;
    CHECK(info->si_pid == getpid());
    times_handled++;
}

static void take_faults_with_facts(void *memory)
{
    for (int number = 1; number < SIGRTMIN; number++) /* a sanitizer has its own */
        signal(number, SIG_DFL);
    CHECK(crash_report_signals_unhandled());
    struct sigaction action = {.sa_sigaction = take_faults, .sa_flags = SA_SIGINFO};
    sigaction(SIGSEGV, &action, NULL);
    crash_report_keep(memory, ROOM);
    raise(SIGSEGV);
    CHECK_EQUAL(times_handled, 1);
}

TEST(a_handler_that_wants_facts_is_left_alone)
{
    CHECK_EQUAL(child_end(child_start(take_faults_with_facts, shared_memory(ROOM))), 0);
}
