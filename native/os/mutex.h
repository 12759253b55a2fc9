/* The internal mutex: process-shared and robust.
 *
 * Idea   The kernel keeps, for each thread, the list of robust mutexes it holds, and marks them when
 *        the thread dies, by whatever signal. The next to lock one is told MUTEX_ABANDONED: it
 *        holds the mutex and repairs, by the rule that stands at that mutex, what the dead owner
 *        left half done; then it says mutex_repaired().
 * Rule   Between lock and unlock: no Python object, no sleep, a few hundred nanoseconds of work.
 * Source pthread_mutexattr_setrobust(3). */
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

/* ---- one that a thread holds for life, so that others see it die */

/* Takes the mutex for this thread, if it is free, or its owner is gone; then nothing is repaired. */
bool mutex_try(struct mutex *mutex);

enum mutex_owner {
    OWNER_NONE, /* it was never taken, or was given back */
    OWNER_HOLDS,
    OWNER_GONE, /* the thread has died, or its program has given way to another by exec */
};

/* A look; takes nothing, costs one load. */
enum mutex_owner mutex_owner(const struct mutex *mutex);

#endif
