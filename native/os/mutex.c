#include "mutex.h"

#include <errno.h>
#include <linux/futex.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A mutex that fails for another reason than its owner's death means that shared memory was
 * overwritten: nothing that this process could do next would be right. */
static void fail(const char *what, int error)
{
    fprintf(stderr, "procession: internal mutex: %s: %s\n", what, strerror(error));
    abort();
}

void mutex_init(struct mutex *mutex)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
    pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
    int error = pthread_mutex_init(&mutex->posix, &attributes);
    pthread_mutexattr_destroy(&attributes);
    if (error)
        fail("init", error);
}

enum mutex_result mutex_lock(struct mutex *mutex)
{
    int error = pthread_mutex_lock(&mutex->posix);
    if (error == 0)
        return MUTEX_CLEAN;
    if (error != EOWNERDEAD)
        fail("lock", error);
    return MUTEX_ABANDONED;
}

void mutex_repaired(struct mutex *mutex)
{
    int error = pthread_mutex_consistent(&mutex->posix);
    if (error)
        fail("repair", error);
}

void mutex_unlock(struct mutex *mutex)
{
    int error = pthread_mutex_unlock(&mutex->posix);
    if (error)
        fail("unlock", error);
}

bool mutex_try(struct mutex *mutex)
{
    int error = pthread_mutex_trylock(&mutex->posix);
    if (error == EOWNERDEAD)
        mutex_repaired(mutex);
    return error == 0 || error == EOWNERDEAD;
}

/* The word that the kernel marks is the mutex's first int in glibc, its second one in musl. */
static unsigned futex_word(const struct mutex *mutex)
{
#ifdef __GLIBC__
    const int *word = &mutex->posix.__data.__lock;
#else
    const int *word = (const int *)&mutex->posix + 1;
#endif
    return (unsigned)__atomic_load_n(word, __ATOMIC_ACQUIRE);
}

enum mutex_owner mutex_owner(const struct mutex *mutex)
{
    unsigned word = futex_word(mutex);
    if (word & FUTEX_OWNER_DIED)
        return OWNER_GONE;
    return word & FUTEX_TID_MASK ? OWNER_HOLDS : OWNER_NONE;
}
