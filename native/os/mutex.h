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

struct mutex {
    pthread_mutex_t posix;
};

enum mutex_result { MUTEX_CLEAN, MUTEX_ABANDONED };

void mutex_init(struct mutex *mutex);
enum mutex_result mutex_lock(struct mutex *mutex);
void mutex_repaired(struct mutex *mutex);
void mutex_unlock(struct mutex *mutex);

#endif
