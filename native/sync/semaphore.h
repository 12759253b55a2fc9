/* The semaphore: permits, and which process holds them.
 *
 * Idea      One 64-bit word holds the number of free permits and the last operation: what it was
 *           and which process did it. Taking a permit and writing down the process is one
 *           compare-and-swap. How many permits each process holds stands in an entry of its own,
 *           which lags behind by at most that last operation. A process that wants to change the
 *           word first carries the last operation over to its entry.
 *
 *           bits of the word   0-31 number of the operation
 *                              32-42 entry it concerns, if any: the index of the process's slot
 *                              43-44 what it was: see enum semaphore_operation
 *                              45-62 free permits
 *                              63 0
 *           if it is anonymous 0-30 free permits
 *                              63 1 (see Owner)
 *           bits of an entry   0-31 number of the last operation carried over
 *                              32-49 generation of the process's slot
 *                              50-63 permits it holds
 *
 * Room      The first entries are in the semaphore itself, those of higher slots in overflow blocks
 *           (overflow.h), linked before a process of such a slot takes its first permit.
 * Invariant word and entry agree once the last operation is carried over; free permits + all
 *           entries = the permits there are, unless the semaphore is anonymous.
 * Crash     The swap of the word is the only commit. If a process is killed before it carried its
 *           operation over, the next process does that. A dead process's permits are given back by
 *           the reaper of its slot, or by a waiter at the end of a slice of its sleep.
 * Owner     A semaphore may also be a signal: taken by one process, released by another. Its
 *           permits belong to no process, and must not come back when one dies. So it becomes
 *           anonymous, for good, once a process releases what it does not hold; and it is anonymous
 *           from the start if it begins without permits, or with more than 2^18 - 1. A process that
 *           ends normally keeps what it took, as in the standard library (semaphore_forget). If
 *           there is no memory for the entry of a process, its permits are not noted; when it
 *           releases one, the semaphore becomes anonymous. More than 2^14 - 1 permits of one
 *           process are not noted either.
 * ABA       Numbers return after 2^32 operations. An entry's number may have any age: a new
 *           operation never takes the number that its entry has (next_word). A process that is
 *           stopped between a look and its swap for just so many operations (more than a minute in
 *           which nothing else is done) may find what it had seen although it is not the same. Then
 *           its swap of the word replaces an operation that may not be carried over yet; its swap
 *           of an entry carries an operation over twice. Either way an entry is wrong by one, which
 *           matters when its process is killed. An anonymous word is only a count: there the swap
 *           is right.
 * Checked   native/models/semaphore.pml
 * Source    helping, as in M. Herlihy, Wait-Free Synchronization (1991), in its simplest form.
 */
#ifndef PROCESSION_SYNC_SEMAPHORE_H
#define PROCESSION_SYNC_SEMAPHORE_H

#include "../shm/overflow.h"
#include "../shm/reference.h"
#include "event_count.h"
#include "spin_wait.h"

/* The parts have 64, 128, 256, ... entries: enough for every slot. */
enum { SEMAPHORE_FIRST = 64, SEMAPHORE_PARTS = 6 };
#define SEMAPHORE_MAX UINT32_C(0x7fffffff)

enum semaphore_operation {
    SEMAPHORE_UNNOTED = 0, /* concerns no entry; so it is in an anonymous word */
    SEMAPHORE_TAKE = 1,    /* the process holds one more */
    SEMAPHORE_GIVE = 2,    /* one less */
    SEMAPHORE_FORGET = 3,  /* none */
};

#define SEMAPHORE_ANONYMOUS (UINT64_C(1) << 63)
enum { SEMAPHORE_VALUE_SHIFT = 45 }; /* of a word that is not anonymous */

struct semaphore {
    _Atomic uint64_t word;
    struct event_count sleepers;
    uint32_t max;
    word_t overflow_blocks[SEMAPHORE_PARTS - 1];
    _Atomic uint64_t first[]; /* none when anonymous from the start */
};

void semaphore_register(void);

/* value <= max <= SEMAPHORE_MAX. */
enum status semaphore_create(struct arena *arena, uint32_t value, uint32_t max,
                             struct handle *handle);

/* STATUS_OK, STATUS_AGAIN: no permit is free. */
enum status semaphore_try(struct arena *arena, struct semaphore *semaphore);

/* Sleeps until one may be free. STATUS_OK: try again; STATUS_TIMED_OUT, STATUS_INTERRUPTED. */
enum status semaphore_wait(struct arena *arena, struct semaphore *semaphore,
                           struct spin_wait *spin_wait, deadline_t deadline);

/* STATUS_OK. STATUS_NOT_HELD: there are as many free permits as there may be. */
enum status semaphore_release(struct arena *arena, struct semaphore *semaphore);

/* Releases what dead processes hold. */
void semaphore_look_after(struct arena *arena, struct semaphore *semaphore);

/* This process ends normally: from now on its permits belong to no process. */
void semaphore_forget(struct arena *arena, struct semaphore *semaphore);

static inline uint32_t semaphore_value_in(uint64_t word)
{
    return word & SEMAPHORE_ANONYMOUS ? (uint32_t)word : (uint32_t)(word >> SEMAPHORE_VALUE_SHIFT);
}

static inline uint32_t semaphore_value(struct semaphore *semaphore)
{
    return semaphore_value_in(atomic_load_explicit(&semaphore->word, memory_order_relaxed));
}

#endif
