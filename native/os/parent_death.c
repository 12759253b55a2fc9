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

int lifeline_read_end(void)
{
    pthread_mutex_lock(&making);
    if (ends[0] < 0 && pipe2(ends, O_CLOEXEC) != 0)
        ends[0] = ends[1] = -1;
    int end = ends[0];
    pthread_mutex_unlock(&making);
    return end;
}

int lifeline_bond_open(int fd)
{
    char path[32];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    int bond = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (bond >= 0 &&
        (fcntl(bond, F_SETSIG, SIGKILL) != 0 || fcntl(bond, F_SETFL, O_NONBLOCK | O_ASYNC) != 0)) {
        close(bond);
        return -1;
    }
    return bond;
}

void lifeline_bond_tie(int bond)
{
    struct pollfd look = {.fd = bond, .events = POLLIN};
    if (fcntl(bond, F_SETOWN, getpid()) != 0 ||
        poll(&look, 1, 0) != 0) /* the other ended before the kernel was asked */
        kill(getpid(), SIGKILL);
}

/* ---- around fork */

/* What the child of the fork that is under way will be tied to. Guarded by `making`. */
static int bonds[LIFELINE_MOST_BONDS];
static int bonds_count;

static __thread bool is_making; /* this thread has `making` already, for its fork */

static void close_bonds(void)
{
    while (bonds_count > 0)
        close(bonds[--bonds_count]);
}

bool lifeline_prepare_fork(const int *read_ends, int count)
{
    pthread_mutex_lock(&making);
    is_making = true;
    while (bonds_count < count) {
        int bond = lifeline_bond_open(read_ends[bonds_count]);
        if (bond < 0) {
            int error = errno;
            lifeline_after_fork_in_parent();
            errno = error;
            return false;
        }
        bonds[bonds_count++] = bond;
    }
    return true;
}

void lifeline_before_fork(void)
{
    if (!is_making)
        pthread_mutex_lock(&making);
    is_making = true;
}

void lifeline_after_fork_in_parent(void)
{
    close_bonds();
    is_making = false;
    pthread_mutex_unlock(&making);
}

/* The read end stays: it is the parent's, for the child to watch. */
void lifeline_after_fork_in_child(void)
{
    if (ends[1] >= 0)
        close(ends[1]);
    ends[0] = ends[1] = -1;
    while (bonds_count > 0)
        lifeline_bond_tie(bonds[--bonds_count]);
    is_making = false;
    pthread_mutex_unlock(&making);
}
