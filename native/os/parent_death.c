#include "parent_death.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "root_end.h"

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

/* What the pipe of a root is marked with, and what its links send; others send SIGKILL. */
static int look_signal(void)
{
    return SIGRTMAX - 4;
}

/* Another open file description for the pipe of *fd*, which sends that signal. */
static int open_again(int fd, int signal, pid_t owner)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int again = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (again >= 0 && (fcntl(again, F_SETSIG, signal) != 0 ||
                       (owner > 0 && fcntl(again, F_SETOWN, owner) != 0 && errno != ESRCH))) {
        close(again);
        return -1;
    }
    return again;
}

int parent_death_root_end(void)
{
    int end = parent_death_read_end();
    int marked = end < 0 ? -1 : open_again(end, look_signal(), getpid());
    if (marked >= 0)
        root_end_watch(getpid(), root_end_pidfd(getpid()));
    return marked;
}

/* Until it is armed, the owner of a link to the root is the root: so the child learns its pid. */
int death_link_open(int fd)
{
    bool to_root = fcntl(fd, F_GETSIG) == look_signal();
    return open_again(fd, to_root ? look_signal() : SIGKILL, to_root ? fcntl(fd, F_GETOWN) : 0);
}

static volatile int root_link = -1;

static void on_root_end(int number)
{
    (void)number;
    int error = errno;
    if (root_end_was_kill())
        kill(getpid(), SIGKILL);
    if (root_link >= 0)
        fcntl(root_link, F_SETFL, O_NONBLOCK); /* it lives on, whatever becomes of the other end */
    errno = error;
}

static bool prepare_to_look(int link)
{
    pid_t root = fcntl(link, F_GETOWN); /* 0 if it was reaped */
    int pidfd = root_end_known_pidfd();
    root_end_watch(root, pidfd >= 0 ? pidfd : root_end_pidfd(root));
    root_link = link;
    struct sigaction action = {.sa_handler = on_root_end, .sa_flags = SA_RESTART};
    return sigaction(look_signal(), &action, NULL) == 0;
}

void death_link_arm(int link)
{
    bool to_root = fcntl(link, F_GETSIG) == look_signal();
    struct pollfd look = {.fd = link, .events = POLLIN};
    if ((to_root && !prepare_to_look(link)) || fcntl(link, F_SETOWN, getpid()) != 0 ||
        fcntl(link, F_SETFL, O_NONBLOCK | O_ASYNC) != 0)
        kill(getpid(), SIGKILL);
    if (poll(&look, 1, 0) != 0) { /* the other process ended before the kernel was asked */
        if (to_root)
            on_root_end(0);
        else
            kill(getpid(), SIGKILL);
    }
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
