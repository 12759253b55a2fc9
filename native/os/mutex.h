/* The internal mutex: process-shared and robust.
 *
 * Idea   The kernel keeps, for each thread, the list of robust mutexes it holds, and marks them
 *        when the thread dies, by whatever signal. The next thread to lock such a mutex gets
 *        MUTEX_ABANDONED: it holds the mutex and repairs, by the rule that stands at that mutex,
 *        what the dead owner left half done; then it calls mutex_repaired().
 * Untold Some deaths the kernel does not tell: the memory of a process that is killed for want of
 *        memory may be gone before its list is looked at (kernels before 5.18), qemu's emulation
 *        has no list, a bare clone(2) has none that libc knows. So a waiter waits in slices. After
 *        each it looks whether a thread of the owner's number still exists. If not, it marks the
 *        mutex as the kernel would have done.
 * Memory A mutex stays a mutex for ever, also when its block is freed (block.h): the kernel may
 *        write to its address later than one would think (glibc bug 14485).
 * Rule   Between lock and unlock: no Python object, no sleep, a few hundred nanoseconds of work.
 * Source pthread_mutexattr_setrobust(3); robust-futexes.rst of the kernel. */
#ifndef PROCESSION_OS_MUTEX_H
#define PROCESSION_OS_MUTEX_H

#include <pthread.h>
#include <stdbool.h>

struct mutex {
    pthread_mutex_t posix;
};

enum mutex_result { MUTEX_CLEAN, MUTEX_ABANDONED };

void mutex_init(struct mutex *mutex);
enum mutex_result mutex_lock(struct mutex *mutex);
void mutex_repaired(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);
/* As mutex_unlock(), for a thread that will lock again at once. If others wait, they have up to
 * 100 us to take the mutex: the one that was woken would find it taken otherwise, each time. */
void mutex_unlock_to_waiters(struct mutex *mutex);

/* ---- a mutex that a thread holds as long as it runs, so that other processes see its death */

/* Takes the mutex if it is free or its owner is gone. Nothing needs repair then. */
bool mutex_try(struct mutex *mutex);

enum mutex_owner {
    OWNER_NONE, /* it was never taken, or was unlocked */
    OWNER_HOLDS,
    OWNER_GONE, /* the thread has died, or another program replaced its own by exec */
};

/* Looks without taking the mutex; costs one load. */
enum mutex_owner mutex_owner(const struct mutex *mutex);

#endif
