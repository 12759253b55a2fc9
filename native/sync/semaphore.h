/* The semaphore: permits, and who holds them.
 *
 * Idea      One 64-bit word holds the number of free permits and the last operation: what it was
 *           and whose. Taking a permit and saying who took it is one compare-and-swap. How many
 *           each process holds stands in an entry of its own, which lags behind by at most that
 *           last operation; whoever wants to change the word first carries it over.
 *
 *           bits of the word   0-18 number of the operation
 *                              19-29 entry it concerns, if any: the index of the process's slot
 *                              30-31 what it was: see enum semaphore_operation
 *                              32-62 free permits
 *                              63 anonymous (see Owner)
 *           bits of an entry   0-18 number of the last operation carried over
 *                              19-36 generation of the process's slot
 *                              37-43 how many were carried over, modulo 127
 *                              44-63 permits it holds
 *
 * Room      The first entries are in the semaphore itself, those of higher slots in annexes (annex.h),
 *           linked before a process of such a slot takes its first permit.
 * Invariant word and entry agree once the last operation is carried over; free permits + all
 *           entries = the permits there are, unless the semaphore is anonymous.
 * Crash     The swap of the word is the only commit; who was killed before carrying over has left
 *           to the next what to do. A dead process's permits are given back by the reaper of its
 *           slot, or by a waiter at the end of a slice of its sleep.
 * Owner     A semaphore may also be a signal: taken here, released there. Its permits belong to
 *           nobody, and must not come back by somebody's death. So it becomes anonymous, for
 *           good, once a process releases what it does not hold; and it is from the start when
 *           it begins without permits. A process that ends in order keeps what it took, as in the
 *           standard library (semaphore_forget). A process for whose entry there is no memory takes
 *           without being remembered; when it releases, the semaphore becomes anonymous. More than
 *           2^20 - 1 permits of one process are not remembered either.
 * ABA       Numbers return after 2^19 operations. An entry's number may be as old as one likes: a new
 *           operation never takes the number that its entry has (next_word). A process stopped
 *           between a look and its swap for just so many operations may find what it had seen
 *           although it is not the same. If that is the word, then as many permits are free as it
 *           had seen, and its own entry is what it was but for what other threads of its own did: the
 *           swap is right. If it is the entry, an operation is carried over twice, and that process's
 *           death gives back one permit too many or too few. But that takes, beside the 2^19, a
 *           multiple of 127 operations on that entry, and as many permits held as then: where one
 *           process takes and releases in a loop, exactly 66,584,576 operations, or so many times
 *           more, while the other stands between two instructions.
 * Source    helping, as in M. Herlihy, Wait-Free Synchronization (1991), in its simplest form.
 */
#ifndef PROCESSION_SYNC_SEMAPHORE_H
#define PROCESSION_SYNC_SEMAPHORE_H

#include "../shm/overflow.h"
#include "../shm/reference.h"
#include "event_count.h"
#include "spin_wait.h"

/* Entries: 64, 64, 128, 256 ...: enough for each slot that there is. */
enum { SEMAPHORE_FIRST = 64, SEMAPHORE_PARTS = 6 };
#define SEMAPHORE_MAX UINT32_C(0x7fffffff)

enum semaphore_operation {
    SEMAPHORE_TAKE = 0,   /* the process holds one more */
    SEMAPHORE_GIVE = 1,   /* one less */
    SEMAPHORE_FORGET = 2, /* none */
    SEMAPHORE_UNNOTED = 3 /* concerns no entry */
};

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

/* STATUS_OK, STATUS_NOT_HELD: it has as many permits as it may have. */
enum status semaphore_release(struct arena *arena, struct semaphore *semaphore);

/* Gives back what dead processes hold. */
void semaphore_look_after(struct arena *arena, struct semaphore *semaphore);

/* This process ends in order: its permits are nobody's from now on. */
void semaphore_forget(struct arena *arena, struct semaphore *semaphore);

static inline uint32_t semaphore_value(struct semaphore *semaphore)
{
    uint64_t word = atomic_load_explicit(&semaphore->word, memory_order_relaxed);
    return (uint32_t)(word >> 32) & SEMAPHORE_MAX;
}

#endif
