/* The user's locks: Lock, and RLock, which its owner may take again. Both know which process holds
 * them.
 *
 * Idea      One 32-bit word: 0 when free, else the holder's tag (30 bits), with a bit that says
 *           that others sleep. Taking the lock and writing down its holder is one compare-and-swap.
 *
 *           word               means                       next
 *           0                  free                        acquire -> tag
 *           tag                held                        release -> 0; waiter -> tag|CONTENDED
 *           tag|CONTENDED      held, others may sleep      release -> 0 or CONTENDED, and wake one
 *           CONTENDED          offered: free for waiters   a waiter that slept -> tag|CONTENDED;
 *                              that slept; others wait     none is there -> 0, and wake one
 *           tag|BROKEN         holder died holding it      reset -> 0; or, if the lock is passed
 *                                                          on, waiter -> tag|CONTENDED
 *
 * Fairness  A lock that is only ever freed goes to the process that runs, which is fast, and would
 *           let a sleeper starve beside a busy loop. So a waiter that has waited for long sets
 *           `starving`, and the next release offers the lock instead.
 * Crash     The word is the whole state, so no operation is ever half done. A holder's death is
 *           seen by a waiter at the end of a slice of its sleep, or by the reaper of the holder's
 *           slot; either makes the lock BROKEN and wakes all. A woken waiter that is killed before
 *           it takes the lock costs the others at most a slice. An offer that no waiter takes is
 *           taken by the next process to come, OFFER_NS late at most.
 * Owner     Of a Lock the process, not the thread: any process may release it, as in the standard
 *           library. Of an RLock the thread: `owner` is set after the word and cleared before it,
 *           so a thread that finds its own id there holds the lock. The id of a dead owner there
 *           belongs to no other thread.
 * Source    the contended bit: U. Drepper, Futexes Are Tricky, mutex 2.
 */
#ifndef PROCESSION_SYNC_LOCK_H
#define PROCESSION_SYNC_LOCK_H

#include "../crash_point.h"
#include "../os/clock.h"
#include "dead_owner.h"

#define LOCK_FREE UINT32_C(0)
#define LOCK_CONTENDED (UINT32_C(1) << 30)
#define LOCK_BROKEN (UINT32_C(1) << 31)
#define LOCK_TAG (LOCK_CONTENDED - 1)
#define LOCK_OFFERED LOCK_CONTENDED

enum { LOCK_SITE_BYTES = 120 };

enum lock_on_death { LOCK_BREAKS, LOCK_PASSES_ON }; /* when its holder dies */

struct lock {
    _Atomic uint32_t word;
    _Atomic uint32_t starving; /* 1: a waiter has waited for long */
    _Atomic uint32_t depth;    /* of an RLock: how often its owner has taken it */
    _Atomic uint32_t site_known;
    _Atomic uint64_t owner; /* of an RLock: the thread that holds it (thread.h); 0: none */
    struct dead_owner dead; /* of the holder that died; valid while BROKEN */
    uint32_t on_death;
    _Atomic uint32_t left; /* tag of a holder that ended normally and left the release to others */
    char site[LOCK_SITE_BYTES]; /* where the holder took it, if site_known; for messages only */
};

/* What a thread remembers during one wait, since lock_wait() returns now and then. */
struct lock_waiter {
    deadline_t since; /* 0: has not slept yet */
    bool recovered;   /* out: the lock was that of a process that died */
};

/* Once, at set-up of the process. */
void lock_register(void);

void lock_init(struct lock *lock, enum lock_on_death on_death);

static inline bool lock_swap(struct lock *lock, uint32_t from, uint32_t to)
{
    return atomic_compare_exchange_strong_explicit(&lock->word, &from, to, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* The fast path: takes the lock if it is free. */
static inline bool lock_try(struct lock *lock, uint32_t tag)
{
    if (!lock_swap(lock, LOCK_FREE, tag))
        return false;
    CRASH_POINT("lock.taken");
    if (atomic_load_explicit(&lock->site_known, memory_order_relaxed))
        atomic_store_explicit(&lock->site_known, 0, memory_order_relaxed);
    return true;
}

/* Without waiting, after lock_try() has failed: also takes offered locks, and those of dead
 * holders. STATUS_OK, STATUS_AGAIN, STATUS_OWNER_DIED. */
enum status lock_poll(struct arena *arena, struct lock *lock, struct lock_waiter *waiter);

/* STATUS_OK, STATUS_TIMED_OUT, STATUS_OWNER_DIED, or STATUS_INTERRUPTED: go on after a look. */
enum status lock_wait(struct arena *arena, struct lock *lock, struct lock_waiter *waiter,
                      deadline_t deadline);

/* Makes the lock BROKEN if its holder has died. Costs about 10 us. */
void lock_look_after(struct arena *arena, struct lock *lock);

/* STATUS_OK, STATUS_NOT_HELD, STATUS_OWNER_DIED. */
enum status lock_release(struct lock *lock);

/* Makes a broken lock free again; false when it was not broken. */
bool lock_reset(struct lock *lock);

/* Whether an acquire would have to wait, or fail. */
static inline bool lock_is_held(struct lock *lock)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    bool passes = (word & LOCK_BROKEN) && lock->on_death == LOCK_PASSES_ON;
    return word != LOCK_FREE && word != LOCK_OFFERED && !passes;
}

static inline bool lock_is_of(struct lock *lock, uint32_t tag)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    return (word & (LOCK_TAG | LOCK_BROKEN)) == tag;
}

/* ---- RLock */

static inline bool rlock_is_mine(struct lock *lock, uint64_t thread)
{
    return atomic_load_explicit(&lock->owner, memory_order_relaxed) == thread;
}

/* To be called after the word was taken, in whatever way. */
static inline void rlock_taken(struct lock *lock, uint64_t thread, uint32_t depth)
{
    atomic_store_explicit(&lock->owner, thread, memory_order_relaxed);
    atomic_store_explicit(&lock->depth, depth, memory_order_relaxed);
    CRASH_POINT("rlock.taken");
}

static inline bool rlock_try(struct lock *lock, uint32_t tag, uint64_t thread)
{
    if (rlock_is_mine(lock, thread)) {
        uint32_t depth = atomic_load_explicit(&lock->depth, memory_order_relaxed);
        atomic_store_explicit(&lock->depth, depth + 1, memory_order_relaxed);
        return true;
    }
    if (!lock_try(lock, tag))
        return false;
    rlock_taken(lock, thread, 1);
    return true;
}

/* Undoes one acquire. STATUS_OK; STATUS_NOT_HELD: not by this thread. */
enum status rlock_release(struct lock *lock, uint64_t thread);
/* Undoes all of them. Returns how many there were, for a later rlock_taken(). The owner only. */
uint32_t rlock_release_all(struct lock *lock);

#endif
