/* The semaphore: permits, and who holds them.
 *
 * Idea      One 64-bit word holds the number of free permits and the last operation: what it was
 *           and whose. Taking a permit and saying who took it is one compare-and-swap. How many
 *           each process holds stands in an entry of its own, which lags behind by at most that
 *           last operation; whoever wants to change the word first carries it over.
 *
 *           bits of the word   0-20 number of the operation, so that a sleeper sees each change
 *                              21-28 entry it concerns, or NOBODY
 *                              29-30 what it was: see enum semaphore_operation
 *                              31 anonymous (see Owner)
 *                              32-62 free permits
 *           bits of an entry   0-20 number of the last operation carried over
 *                              21-38 generation of the process's slot
 *                              39-63 permits it holds
 *
 * Invariant word and entry agree once the last operation is carried over; free permits + all
 *           entries = the permits there are, unless the semaphore is anonymous.
 * Crash     The swap of the word is the only commit; who was killed before carrying over has left
 *           to the next what to do. A dead process's permits are given back by the reaper of its
 *           slot, or by a waiter at the end of a slice of its sleep.
 * Owner     A semaphore may also be a signal: taken here, released there. Its permits belong to
 *           nobody, and must not come back by somebody's death. So it becomes anonymous, for
 *           good, once a process releases what it does not hold; and it is from the start when
 *           it begins without permits. A process that ends in order keeps what it took, as in the
 *           standard library (semaphore_forget). A process in a slot beyond the entries takes and
 *           releases without being remembered.
 * Source    helping, as in M. Herlihy, Wait-Free Synchronization (1991), in its simplest form.
 */
#ifndef PROCESSION_SYNC_SEMAPHORE_H
#define PROCESSION_SYNC_SEMAPHORE_H

#include "../shm/table.h"
#include "eventcount.h"
#include "patience.h"

enum { SEMAPHORE_ENTRIES = 255 };
#define SEMAPHORE_MAX UINT32_C(0x7fffffff)

enum semaphore_operation {
    SEMAPHORE_TAKE = 0,   /* the process holds one more */
    SEMAPHORE_GIVE = 1,   /* one less */
    SEMAPHORE_FORGET = 2, /* none */
};

struct semaphore {
    _Atomic uint64_t word;
    struct eventcount sleepers;
    uint32_t max;
    _Atomic uint64_t entries[]; /* none when anonymous from the start */
};

void semaphore_register(void);

/* value <= max <= SEMAPHORE_MAX. */
enum status semaphore_create(struct arena *arena, uint32_t value, uint32_t max,
                             struct handle *handle);

/* STATUS_OK, STATUS_AGAIN: no permit is free. */
enum status semaphore_try(struct arena *arena, struct semaphore *semaphore);

/* Sleeps until one may be free. STATUS_OK: try again; STATUS_TIMED_OUT, STATUS_INTERRUPTED. */
enum status semaphore_wait(struct arena *arena, struct semaphore *semaphore,
                           struct patience *patience, deadline_t deadline);

/* STATUS_OK, STATUS_NOT_HELD: it has as many permits as it may have. */
enum status semaphore_release(struct arena *arena, struct semaphore *semaphore);

/* Gives back what dead processes hold. */
void semaphore_look_after(struct arena *arena, struct semaphore *semaphore);

/* This process ends in order: its permits are nobody's from now on. */
void semaphore_forget(struct arena *arena, struct semaphore *semaphore);

static inline uint32_t semaphore_value(struct semaphore *semaphore)
{
    return (uint32_t)(atomic_load_explicit(&semaphore->word, memory_order_relaxed) >> 32);
}

#endif
