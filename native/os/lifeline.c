#include "lifeline.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static int ends[2] = {-1, -1};

int lifeline_read_end(void)
{
    pthread_mutex_lock(&making);
    if (ends[0] < 0 && pipe2(ends, O_CLOEXEC) != 0)
        ends[0] = ends[1] = -1;
    int end = ends[0];
    pthread_mutex_unlock(&making);
    return end;
}

static int opened_anew(int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

int lifeline_bond(int fd)
{
    int own = opened_anew(fd);
    if (own < 0)
        return -1;
    if (fcntl(own, F_SETOWN, getpid()) != 0 || fcntl(own, F_SETSIG, SIGKILL) != 0 ||
        fcntl(own, F_SETFL, O_NONBLOCK | O_ASYNC) != 0) {
        close(own);
        return -1;
    }
    struct pollfd look = {.fd = own, .events = POLLIN};
    if (poll(&look, 1, 0) != 0) /* the other ended before the kernel was asked */
        kill(getpid(), SIGKILL);
    return own;
}

void lifeline_before_fork(void)
{
    pthread_mutex_lock(&making);
}

void lifeline_after_fork_in_parent(void)
{
    pthread_mutex_unlock(&making);
}

/* The read end stays: it is the parent's, for the child to watch. */
void lifeline_after_fork_in_child(void)
{
    if (ends[1] >= 0)
        close(ends[1]);
    ends[0] = ends[1] = -1;
    pthread_mutex_unlock(&making);
}
