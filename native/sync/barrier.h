/* The barrier: no party passes before all parties have arrived.
 *
 * Idea      One 64-bit word: the state, which round it is, and how many have arrived. A waiter
 *           waits for the round to end. How it ended stands in a history of the last rounds, so
 *           that a slow waiter learns it however much has happened since.
 *
 *           state     means                                   next
 *           OPEN      parties are arriving                    the last arrives -> next round, OPEN;
 *                                                             or ACTING, if there is an action
 *           ACTING    the last one calls the action           done -> next round, OPEN
 *           BROKEN    no party passes                         reset -> next round, OPEN
 *           any                                               abort, a party's death -> BROKEN
 *
 * Invariant members[round & 1][0 .. arrived) names the processes that have arrived in this round,
 *           members[~round & 1] those of the round before.
 * Crash     The word changes by one store, under a robust mutex; each field beside it is written
 *           before the store that makes it count. An owner that died with the mutex was arriving or
 *           leaving, so an abandoned mutex means BROKEN. A party that is killed while it waits
 *           breaks the barrier: the reaper of its slot says so, or another party finds it at the
 *           end of a slice of its sleep. A party of the last round that is killed elsewhere breaks
 *           it as soon as another party waits and the living ones are too few: a replacement that
 *           has arrived counts. A party that ends normally is no longer waited for
 *           (barrier_forget).
 */
#ifndef PROCESSION_SYNC_BARRIER_H
#define PROCESSION_SYNC_BARRIER_H

#include "../os/mutex.h"
#include "../shm/reference.h"
#include "dead_owner.h"
#include "event_count.h"
#include "spin_wait.h"

enum { BARRIER_HISTORY = 512 };
#define BARRIER_MOST_PARTIES UINT32_C(1000000)

enum barrier_state { BARRIER_OPEN, BARRIER_ACTING, BARRIER_BROKEN };

struct barrier {
    struct mutex mutex;
    _Atomic uint64_t word; /* arrived << 32 | round << 2 | enum barrier_state */
    struct event_count sleepers;
    uint32_t parties;
    struct dead_owner dead; /* the party whose death broke it; pid 0: none, or unknown */
    word_t broken_rounds[BARRIER_HISTORY / 64]; /* bit round % BARRIER_HISTORY: it ended badly */
    _Atomic uint32_t members[];
};

enum barrier_result {
    BARRIER_PASSED,
    BARRIER_WAIT,   /* arrived; to wait for the others */
    BARRIER_LAST,   /* arrived as the last: call the action, then barrier_finish() */
    BARRIER_BUSY,   /* not arrived: an action is under way; wait, then try again */
    BARRIER_FAILED, /* broken */
};

/* One wait of one thread. */
struct barrier_wait {
    uint32_t seen;  /* low half of the word: state and round */
    uint32_t index; /* how many had arrived before */
};

void barrier_register(void);
enum status barrier_create(struct arena *arena, uint32_t parties, struct handle *handle);

enum barrier_result barrier_arrive(struct arena *arena, struct barrier *barrier, bool has_action,
                                   struct barrier_wait *wait);
/* PASSED, FAILED, or WAIT: still the same round. */
enum barrier_result barrier_look(struct barrier *barrier, const struct barrier_wait *wait);
/* Sleeps until the word changes. STATUS_OK, STATUS_TIMED_OUT, STATUS_INTERRUPTED. */
enum status barrier_sleep(struct arena *arena, struct barrier *barrier,
                          const struct barrier_wait *wait, struct spin_wait *spin_wait,
                          deadline_t deadline);
/* The action is done. PASSED, or FAILED: it was broken meanwhile. */
enum barrier_result barrier_finish(struct barrier *barrier, const struct barrier_wait *wait);
/* This party leaves before the end of the round, and is no longer counted. */
void barrier_leave(struct arena *arena, struct barrier *barrier, const struct barrier_wait *wait);
/* The time is up: breaks the barrier, unless the round has ended. PASSED, FAILED. */
enum barrier_result barrier_give_up(struct barrier *barrier, const struct barrier_wait *wait);

void barrier_abort(struct barrier *barrier);
void barrier_reset(struct barrier *barrier);
/* This process ends normally: it is no longer waited for. */
void barrier_forget(struct arena *arena, struct barrier *barrier);

static inline enum barrier_state barrier_state(struct barrier *barrier)
{
    return (enum barrier_state)(atomic_load(&barrier->word) & 3);
}

static inline uint32_t barrier_waiting(struct barrier *barrier)
{
    uint64_t word = atomic_load(&barrier->word);
    return (word & 3) == BARRIER_OPEN ? (uint32_t)(word >> 32) : 0;
}

#endif
