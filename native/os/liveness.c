#include "liveness.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
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

/* The kernel lists the children of a thread in the order in which they were made. */
pid_t process_newest_child(void)
{
    int fd = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return CHILDREN_UNKNOWN;
    char text[512];
    long number = 0, newest = 0;
    ssize_t size;
    while ((size = read(fd, text, sizeof text)) > 0)
        for (ssize_t i = 0; i < size; i++)
            if (text[i] >= '0' && text[i] <= '9')
                number = number * 10 + (text[i] - '0');
            else if (number != 0) {
                newest = number;
                number = 0;
            }
    close(fd);
    return (pid_t)newest;
}

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

unsigned process_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    return (unsigned)CPU_COUNT(&set);
}
