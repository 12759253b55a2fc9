#include "liveness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define EXITING 0x4u /* PF_EXITING of the kernel's sched.h: see proc_pid_stat(5), field 9 */

struct stat_line {
    char state;
    unsigned flags;
    long threads;
    uint64_t start;
};

enum look { LOOK_FOUND, LOOK_GONE, LOOK_UNKNOWN };

/* Field numbers as in proc_pid_stat(5): 3 state, 9 flags, 20 num_threads, 22 starttime. The name,
 * field 2, may hold blanks and parentheses, so the count begins behind the last ')'. */
static bool parse_stat(char *text, struct stat_line *line)
{
    char *rest = strrchr(text, ')');
    if (rest == NULL)
        return false;
    char *save = NULL;
    int field = 3;
    for (char *word = strtok_r(rest + 1, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
        if (field == 3)
            line->state = *word;
        else if (field == 9)
            line->flags = (unsigned)strtoul(word, NULL, 10);
        else if (field == 20)
            line->threads = strtol(word, NULL, 10);
        else if (field == 22) {
            line->start = strtoull(word, NULL, 10);
            return true;
        }
        field++;
    }
    return false;
}

static enum look look_at(pid_t pid, struct stat_line *line)
{
    char path[32], text[1024];
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        /* The absence of another process means something only where /proc shows our own. */
        return errno == ENOENT && access("/proc/self/stat", R_OK) == 0 ? LOOK_GONE : LOOK_UNKNOWN;
    ssize_t size = read(fd, text, sizeof text - 1);
    int error = errno;
    close(fd);
    if (size <= 0)
        return size < 0 && error == ESRCH ? LOOK_GONE : LOOK_UNKNOWN;
    text[size] = '\0';
    return parse_stat(text, line) ? LOOK_FOUND : LOOK_UNKNOWN;
}

uint64_t process_start_time(pid_t pid)
{
    struct stat_line line;
    return look_at(pid, &line) == LOOK_FOUND ? line.start : START_UNKNOWN;
}

/* ---- children */

enum { CHILD_LIST_BYTES = 64 << 10, CHILD_LIST_READS = 20 };

/* One look: the size of the list in *text*, or -1. */
static ssize_t read_children(char *text)
{
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    ssize_t size, all = 0;
    while ((size = read(fd, text + all, (size_t)(CHILD_LIST_BYTES - all))) > 0)
        all += size;
    close(fd);
    return size < 0 || all == CHILD_LIST_BYTES ? -1 : all;
}

/* The kernel may skip a child when one before it in the list is reaped during the look: see
 * proc_tid_children(5). The reaped one is in the first of two such lists and not in the second. So
 * two equal lists in a row are complete. */
static ssize_t read_stable_children(char *text, char *again)
{
    ssize_t size = read_children(text);
    for (int i = 0; i < CHILD_LIST_READS && size >= 0; i++) {
        ssize_t next = read_children(again);
        if (next == size && memcmp(text, again, (size_t)size) == 0)
            return size;
        memcpy(text, again, next > 0 ? (size_t)next : 0);
        size = next;
    }
    return -1;
}

/* The kernel lists the children of a thread in the order in which they were made or given to it. */
int process_children(pid_t *pids, int capacity)
{
    char *text = malloc((size_t)2 * CHILD_LIST_BYTES);
    ssize_t size = text ? read_stable_children(text, text + CHILD_LIST_BYTES) : -1;
    int count = size < 0 ? CHILDREN_UNKNOWN : 0;
    for (ssize_t end = size; end > 0; end--) { /* each number is followed by a blank */
        ssize_t start = end - 1;
        while (start > 0 && text[start - 1] != ' ')
            start--;
        pid_t pid = (pid_t)strtol(text + start, NULL, 10);
        if (pid != 0 && count < capacity)
            pids[count] = pid;
        count += pid != 0;
        end = start;
    }
    free(text);
    return count;
}

uint64_t process_start_ticks(int64_t monotonic_ns)
{
    const int64_t second = 1000000000;
    struct timespec monotonic, boot; /* start times count the time of suspension, too */
    clock_gettime(CLOCK_BOOTTIME, &boot);
    clock_gettime(CLOCK_MONOTONIC, &monotonic); /* the later one last: never rounded up */
    int64_t now = monotonic.tv_sec * second + monotonic.tv_nsec;
    int64_t at = boot.tv_sec * second + boot.tv_nsec - (now - monotonic_ns);
    return at < 0 ? 0 : (uint64_t)(at / (second / sysconf(_SC_CLK_TCK)));
}

/* ---- the end of a process, of a thread */

/* For a process that /proc does not show. It may hide those of other users (its option hidepid),
 * and a child may have changed its user. A pidfd is readable once its process is a zombie or
 * gone. */
static bool ended_unseen(pid_t pid)
{
    if (kill(pid, 0) != 0 && errno == ESRCH)
        return true;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return errno == ESRCH;
    struct pollfd watch = {.fd = fd, .events = POLLIN};
    bool ended = poll(&watch, 1, 0) == 1;
    close(fd);
    return ended;
}

/* Z with more threads: only the main thread has ended, the others run on. */
static bool is_dead(const struct stat_line *line)
{
    return (line->state == 'Z' && line->threads <= 1) || line->state == 'X';
}

bool process_has_ended(pid_t pid, uint64_t start)
{
    struct stat_line line;
    if (look_at(pid, &line) != LOOK_FOUND)
        return ended_unseen(pid);
    return is_dead(&line) || (start != START_UNKNOWN && line.start != start);
}

bool process_has_left(pid_t pid)
{
    struct stat_line line;
    if (look_at(pid, &line) != LOOK_FOUND)
        return ended_unseen(pid);
    if (line.state == 'Z' || (line.flags & EXITING))
        return is_dead(&line); /* not while other threads of it may run, if for a moment only */
    return true;               /* an exec ended all other threads, or the pid is another's */
}

bool process_is_unknown(pid_t pid)
{
    return kill(pid, 0) != 0 && errno == ESRCH;
}

/* /proc shows threads of other processes, too, though it does not list them. */
bool thread_has_ended(pid_t tid)
{
    if (syscall(SYS_tkill, tid, 0) != 0 && errno == ESRCH)
        return true;
    struct stat_line line;
    return look_at(tid, &line) == LOOK_FOUND && (line.state == 'Z' || line.state == 'X');
}

/* Whether the pid is still that process's, which may be a zombie. */
static bool is_that(pid_t pid, uint64_t start)
{
    struct stat_line line;
    if (look_at(pid, &line) == LOOK_FOUND)
        return start == START_UNKNOWN || line.start == start;
    return !ended_unseen(pid);
}

void process_kill(pid_t pid, uint64_t start)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0), status;
    if (is_that(pid, start)) { /* so the pidfd is of that process */
        if (fd < 0 || syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) != 0)
            kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            continue;
        struct pollfd watch = {.fd = fd, .events = POLLIN};
        while (fd >= 0 && poll(&watch, 1, -1) < 0 && errno == EINTR) /* another's child */
            continue;
    }
    if (fd >= 0)
        close(fd);
}

/* ---- PID namespaces */

#ifndef PIDFD_GET_PID_NAMESPACE
#define PIDFD_GET_PID_NAMESPACE _IO(0xFF, 5) /* of linux/pidfd.h, since Linux 6.11 */
#endif

uint64_t process_pid_namespace(void)
{
    struct stat file;
    if (stat("/proc/self/ns/pid", &file) == 0)
        return file.st_ino;
    int fd = (int)syscall(SYS_pidfd_open, getpid(), 0); /* no /proc here */
    int namespace = fd < 0 ? -1 : ioctl(fd, PIDFD_GET_PID_NAMESPACE, 0);
    uint64_t found = namespace >= 0 && fstat(namespace, &file) == 0 ? file.st_ino : 0;
    if (namespace >= 0)
        close(namespace);
    if (fd >= 0)
        close(fd);
    return found;
}

unsigned process_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}
