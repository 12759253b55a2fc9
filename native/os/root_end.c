#include "root_end.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PF_EXITING 0x4     /* include/linux/sched.h */
#define PIDFD_INFO_EXIT 8u /* include/uapi/linux/pidfd.h, version 0 of the structure */
struct pidfd_info {
    uint64_t mask, cgroup;
    uint32_t ids[11];
    int32_t exit_code;
};
#define PIDFD_GET_INFO _IOWR(0xFF, 11, struct pidfd_info)

enum { FIELD_FLAGS = 9, FIELD_EXIT_CODE = 52, SIGNAL_BITS = 0x7f };

static volatile pid_t root_pid;
static volatile int root_pidfd = -1;

void root_end_watch(pid_t pid, int pidfd)
{
    root_pid = pid;
    root_pidfd = pidfd;
}

int root_end_pidfd(pid_t pid)
{
    return pid > 0 ? (int)syscall(SYS_pidfd_open, pid, 0) : -1;
}

int root_end_known_pidfd(void)
{
    return root_pidfd;
}

/* Writes "/proc/PID/stat"; snprintf() is not async-signal-safe. */
static void stat_path(char *path, pid_t pid)
{
    char digits[16];
    int count = 0;
    for (; pid > 0; pid /= 10)
        digits[count++] = (char)('0' + pid % 10);
    strcpy(path, "/proc/");
    path += 6;
    while (count > 0)
        *path++ = digits[--count];
    strcpy(path, "/stat");
}

/* The number in that field of the text, whose fields from the third on begin at *third*. */
static long field(const char *third, int number)
{
    for (int at = 3; at < number && third != NULL; at++) {
        third = strchr(third, ' ');
        third = third ? third + 1 : NULL;
    }
    return third ? strtol(third, NULL, 10) : 0;
}

/* False: there is no such process. Else whether it exits, and its status as wait(2) has it. */
static bool look(pid_t pid, bool *exiting, long *status)
{
    char path[32], text[1024];
    stat_path(path, pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t size = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (size <= 0)
        return false;
    text[size] = 0;
    const char *name_end = strrchr(text, ')');
    if (name_end == NULL || name_end[1] != ' ')
        return false;
    const char *third = name_end + 2;
    *exiting = *third == 'Z' || *third == 'X' || (field(third, FIELD_FLAGS) & PF_EXITING) != 0;
    *status = field(third, FIELD_EXIT_CODE);
    return true;
}

/* Whether the process of the pidfd has not been reaped; true if there is no pidfd. */
static bool is_there(void)
{
    return root_pidfd < 0 || syscall(SYS_pidfd_send_signal, root_pidfd, 0, NULL, 0) == 0 ||
           errno != ESRCH;
}

bool root_end_was_kill(void)
{
    bool exiting;
    long status;
    /* Asked again after the look, as another process may have been given the number meanwhile. */
    if (root_pid > 0 && is_there() && look(root_pid, &exiting, &status) && is_there())
        return exiting && (status & SIGNAL_BITS) != 0;
    struct pidfd_info info = {.mask = PIDFD_INFO_EXIT};
    if (root_pidfd >= 0 && ioctl(root_pidfd, PIDFD_GET_INFO, &info) == 0 &&
        (info.mask & PIDFD_INFO_EXIT) != 0)
        return (info.exit_code & SIGNAL_BITS) != 0;
    return true;
}
