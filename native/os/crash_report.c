#include "crash_report.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static const int fatal_signals[] = {SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSEGV};
#define FATAL_SIGNALS (sizeof fatal_signals / sizeof fatal_signals[0])

static struct {
    char *memory;
    size_t size;
    pid_t pid; /* the process that is reported: a forked child inherits all this */
} target;

static void (*next_handler[FATAL_SIGNALS])(int);
static atomic_flag is_reporting = ATOMIC_FLAG_INIT;
static char report[32 * 1024]; /* not on the stack: that may be what ran out */

/* Where standard error leads while a handler runs. */
struct redirection {
    int file;  /* the memory file it leads to now; -1: it was left as it is */
    int error; /* a copy of the descriptor it was; -1: it was closed */
};

static struct redirection redirect(void)
{
    struct redirection now = {.file = -1};
    now.error = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (now.error < 0 && errno != EBADF)
        return now; /* it could not be restored */
    now.file = memfd_create("crash-report", MFD_CLOEXEC);
    if (now.file >= 0 && dup2(now.file, STDERR_FILENO) < 0) {
        close(now.file);
        now.file = -1;
    }
    if (now.file < 0 && now.error >= 0)
        close(now.error);
    return now;
}

static void write_all(int fd, const char *bytes, size_t size)
{
    while (size > 0) {
        ssize_t written = write(fd, bytes, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return;
        bytes += written;
        size -= (size_t)written;
    }
}

static size_t read_report(int file, off_t from)
{
    ssize_t length = pread(file, report, sizeof report, from);
    return length > 0 ? (size_t)length : 0;
}

/* Restores standard error, and writes to it what went to the memory file. */
static void restore(struct redirection now)
{
    if (now.error < 0) {
        close(STDERR_FILENO);
        if (now.file != STDERR_FILENO)
            close(now.file);
        return;
    }
    dup2(now.error, STDERR_FILENO);
    close(now.error);
    off_t from = 0;
    for (size_t length; (length = read_report(now.file, from)) > 0; from += (off_t)length)
        write_all(STDERR_FILENO, report, length);
    close(now.file);
}

/* Keeps the first line, which tells the signal, and all from the crashed thread's stack on. */
static void keep(size_t length)
{
    const char *line_end = memchr(report, '\n', length);
    const char *thread = memmem(report, length, "Current thread", strlen("Current thread"));
    size_t head = line_end ? (size_t)(line_end + 1 - report) : length;
    size_t rest = thread ? (size_t)(thread - report) : head;
    size_t room = target.size - 1;
    if (head > room)
        head = room;
    memcpy(target.memory, report, head);
    size_t tail = rest < length ? length - rest : 0;
    memcpy(target.memory + head, report + rest, tail < room - head ? tail : room - head);
}

static size_t index_of(int number)
{
    size_t i = 0;
    while (i < FATAL_SIGNALS - 1 && fatal_signals[i] != number)
        i++;
    return i;
}

/* faulthandler's handler removes itself and raises the signal again. The signal is blocked here, so
 * the process ends when this function returns. */
static void on_fatal_signal(int number)
{
    int error = errno;
    bool is_ours = target.pid == getpid() && !atomic_flag_test_and_set(&is_reporting);
    struct redirection now = is_ours ? redirect() : (struct redirection){.file = -1};
    next_handler[index_of(number)](number);
    if (now.file >= 0) {
        keep(read_report(now.file, 0));
        restore(now);
    }
    if (is_ours)
        /* The process has not ended: a Python function handles the signal. */
        atomic_flag_clear(&is_reporting);
    errno = error;
}

/* Whether *action* calls a function whose only argument is the signal's number, as faulthandler's
 * is. The handler of a virtual machine is another kind: it may use faults for its own purposes. */
static bool calls_simply(const struct sigaction *action)
{
    return !(action->sa_flags & SA_SIGINFO) && action->sa_handler != SIG_DFL &&
           action->sa_handler != SIG_IGN;
}

bool crash_report_signals_unhandled(void)
{
    for (size_t i = 0; i < FATAL_SIGNALS; i++) {
        struct sigaction action;
        if (sigaction(fatal_signals[i], NULL, &action) != 0 || action.sa_handler != SIG_DFL)
            return false;
    }
    return true;
}

void crash_report_keep(char *memory, size_t size)
{
    target.memory = memory;
    target.size = size;
    target.pid = getpid();
    for (size_t i = 0; i < FATAL_SIGNALS; i++) {
        struct sigaction action;
        if (sigaction(fatal_signals[i], NULL, &action) != 0 || !calls_simply(&action) ||
            action.sa_handler == on_fatal_signal)
            continue;
        next_handler[i] = action.sa_handler;
        action.sa_handler = on_fatal_signal;
        action.sa_flags &= ~SA_NODEFER;
        sigaction(fatal_signals[i], &action, NULL);
    }
}
