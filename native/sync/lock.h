/* The user's lock: not recursive, and it knows who holds it.
 *
 * Idea      One 32-bit word: 0 when free, else the holder's tag (30 bits), with a bit that says
 *           that others sleep. Taking the lock and saying who has it is one compare-and-swap.
 *
 *           word               means                       next
 *           0                  free                        acquire -> tag
 *           tag                held                        release -> 0; waiter -> tag|CONTENDED
 *           tag|CONTENDED      held, others may sleep      release -> 0 and wake one
 *           tag|BROKEN         holder died holding it      reset -> 0
 *
 * Crash     The word is the whole state, so no operation is ever half done. A holder's death is
 *           seen by a waiter at the end of a slice of its sleep, or by the reaper of the holder's
 *           slot; either makes the lock BROKEN and wakes all. A woken waiter that is killed
 *           before it takes the lock costs the others at most a slice.
 * Owner     The process, not the thread: any process may release it, as in the standard library.
 * Source    the contended bit: U. Drepper, Futexes Are Tricky, mutex 2.
 */
#ifndef PROCESSION_SYNC_LOCK_H
#define PROCESSION_SYNC_LOCK_H

#include "../os/clock.h"
#include "../shm/arena.h"

#define LOCK_FREE UINT32_C(0)
#define LOCK_CONTENDED (UINT32_C(1) << 30)
#define LOCK_BROKEN (UINT32_C(1) << 31)
#define LOCK_TAG (LOCK_CONTENDED - 1)

struct lock {
    _Atomic uint32_t word;
    uint32_t unused;
    word_t dead_pid; /* of the holder that died; valid while BROKEN */
    char dead_name[SLOT_NAME_BYTES];
};

/* Once, at set-up of the process. */
void lock_register(void);

static inline bool lock_try(struct lock *lock, uint32_t tag)
{
    uint32_t free = LOCK_FREE;
    return atomic_compare_exchange_strong_explicit(&lock->word, &free, tag, memory_order_acquire,
                                                   memory_order_relaxed);
}

/* STATUS_OK, STATUS_TIMED_OUT, STATUS_OWNER_DIED, or STATUS_INTERRUPTED: go on after a look. */
enum status lock_wait(struct arena *arena, struct lock *lock, deadline_t deadline);

/* STATUS_OK, STATUS_NOT_HELD, STATUS_OWNER_DIED. */
enum status lock_release(struct lock *lock);

static inline bool lock_is_held(struct lock *lock)
{
    return atomic_load_explicit(&lock->word, memory_order_relaxed) != LOCK_FREE;
}

/* Makes a broken lock free again; false when it was not broken. */
bool lock_reset(struct lock *lock);

#endif
