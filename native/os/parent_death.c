#include "parent_death.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

static pthread_mutex_t making = PTHREAD_MUTEX_INITIALIZER;
static int ends[2] = {-1, -1};

int parent_death_read_end(void)
{
    pthread_mutex_lock(&making);
    if (ends[0] < 0 && pipe2(ends, O_CLOEXEC) != 0)
        ends[0] = ends[1] = -1;
    int end = ends[0];
    pthread_mutex_unlock(&making);
    return end;
}

int death_link_open(int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int link = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (link >= 0 &&
        (fcntl(link, F_SETSIG, SIGKILL) != 0 || fcntl(link, F_SETFL, O_NONBLOCK | O_ASYNC) != 0)) {
        close(link);
        return -1;
    }
    return link;
}

void death_link_arm(int link)
{
    struct pollfd look = {.fd = link, .events = POLLIN};
    if (fcntl(link, F_SETOWN, getpid()) != 0 ||
        poll(&look, 1, 0) != 0) /* the other process ended before the kernel was asked */
        kill(getpid(), SIGKILL);
}

/* ---- around fork */

/* The links of the child of the fork that is under way. Guarded by `making`. */
static int links[DEATH_LINKS_MOST];
static int link_count;

static __thread bool is_making; /* this thread holds `making` already, for its fork */

static void close_links(void)
{
    while (link_count > 0)
        close(links[--link_count]);
}

bool parent_death_prepare_fork(const int *read_ends, int count)
{
    pthread_mutex_lock(&making);
    is_making = true;
    while (link_count < count) {
        int link = death_link_open(read_ends[link_count]);
        if (link < 0) {
            int error = errno;
            parent_death_after_fork_in_parent();
            errno = error;
            return false;
        }
        links[link_count++] = link;
    }
    return true;
}

void parent_death_before_fork(void)
{
    if (!is_making)
        pthread_mutex_lock(&making);
    is_making = true;
}

void parent_death_after_fork_in_parent(void)
{
    close_links();
    is_making = false;
    pthread_mutex_unlock(&making);
}

/* The read end stays open: it is the parent's, for the child to watch. */
void parent_death_after_fork_in_child(void)
{
    if (ends[1] >= 0)
        close(ends[1]);
    ends[0] = ends[1] = -1;
    while (link_count > 0)
        death_link_arm(links[--link_count]);
    is_making = false;
    pthread_mutex_unlock(&making);
}
