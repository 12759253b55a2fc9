#include "mutex.h"

#include <errno.h>
#include <linux/futex.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "../crash_point.h"
#include "clock.h"
#include "liveness.h"

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

/* The word that the kernel marks is the mutex's first int in glibc, its second one in musl. */
static _Atomic unsigned *futex_word(const struct mutex *mutex)
{
#ifdef __GLIBC__
    return (_Atomic unsigned *)(uintptr_t)&mutex->posix.__data.__lock;
#else
    return (_Atomic unsigned *)(uintptr_t)((const int *)&mutex->posix + 1);
#endif
}

/* Does what the kernel does at the death of an owner, if that has died and the kernel has not. The
 * word still names the same owner when it is changed, and a thread that has ended changes
 * nothing. */
static bool mark_if_owner_ended(struct mutex *mutex)
{
    unsigned word = atomic_load(futex_word(mutex)), owner = word & FUTEX_TID_MASK;
    if (owner == 0 || (word & FUTEX_OWNER_DIED) || !thread_has_ended((pid_t)owner))
        return false;
    unsigned marked = (word & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    CRASH_POINT("mutex.mark.before_store");
    bool done = atomic_compare_exchange_strong(futex_word(mutex), &word, marked);
    /* A kill here costs the other waiters nothing: they look at the end of their slices. */
    CRASH_POINT("mutex.mark.before_wake");
    if (done)
        syscall(SYS_futex, futex_word(mutex), FUTEX_WAKE, 1, NULL, NULL, 0);
    return done;
}

/* musl knows only the wall clock, and so does the thread sanitizer; a jump of it makes a slice
 * longer or shorter, once. */
#if defined(__GLIBC__) && !defined(__SANITIZE_THREAD__)
#define SLICE_CLOCK CLOCK_MONOTONIC
#else
#define SLICE_CLOCK CLOCK_REALTIME
#endif

/* One slice of a wait for the mutex. */
static int lock_for_a_slice(struct mutex *mutex)
{
    struct timespec end;
    clock_gettime(SLICE_CLOCK, &end);
    end.tv_nsec += SLICE_NS;
    end.tv_sec += end.tv_nsec / NS_PER_S;
    end.tv_nsec %= NS_PER_S;
#if SLICE_CLOCK == CLOCK_MONOTONIC
    return pthread_mutex_clocklock(&mutex->posix, SLICE_CLOCK, &end);
#else
    return pthread_mutex_timedlock(&mutex->posix, &end);
#endif
}

enum mutex_result mutex_lock(struct mutex *mutex)
{
    int error = pthread_mutex_trylock(&mutex->posix);
    while (error == EBUSY || error == ETIMEDOUT) {
        if (error == ETIMEDOUT)
            mark_if_owner_ended(mutex);
        error = lock_for_a_slice(mutex);
    }
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

void mutex_unlock_to_waiters(struct mutex *mutex)
{
    bool is_awaited = atomic_load(futex_word(mutex)) & FUTEX_WAITERS;
    mutex_unlock(mutex);
    deadline_t end = is_awaited ? clock_now() + 100 * NS_PER_US : 0;
    while (is_awaited && (atomic_load(futex_word(mutex)) & FUTEX_TID_MASK) == 0 &&
           clock_now() < end)
        sched_yield();
}

bool mutex_try(struct mutex *mutex)
{
    int error = pthread_mutex_trylock(&mutex->posix);
    if (error == EBUSY && mark_if_owner_ended(mutex))
        error = pthread_mutex_trylock(&mutex->posix);
    if (error == EOWNERDEAD)
        mutex_repaired(mutex);
    return error == 0 || error == EOWNERDEAD;
}

enum mutex_owner mutex_owner(const struct mutex *mutex)
{
    unsigned word = atomic_load_explicit(futex_word(mutex), memory_order_acquire);
    if (word & FUTEX_OWNER_DIED)
        return OWNER_GONE;
    return word & FUTEX_TID_MASK ? OWNER_HOLDS : OWNER_NONE;
}
