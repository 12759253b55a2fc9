/* Where waiters sleep until something they look at may have changed.
 *
 * Idea      The state that is waited for may be several words (a count, and whether the queue is shut
 *           down), and a futex watches one. So the event count has a word of its own: whoever
 *           changes the state then advances it. A sleeper takes a ticket and notes the count,
 *           looks at the state once more, and sleeps while the count stays. Advancing costs nothing
 *           but a look at the tickets where nobody sleeps.
 * Invariant Sleeper: ticket, then state. Waker: state, then tickets. One of the two sees the other
 *           (Dekker); and a sleeper that has not fallen asleep yet finds the count changed.
 * Crash     Tickets of the killed are cleared by a waker that finds nobody asleep, as at a gate
 *           (gate.h). A waker that is killed before it wakes costs the sleepers a slice of their
 *           sleep.
 * Source    D. Reed, R. Kanodia, Synchronization with Eventcounts and Sequencers (1979).
 */
#ifndef PROCESSION_SYNC_EVENTCOUNT_H
#define PROCESSION_SYNC_EVENTCOUNT_H

#include "gate.h"

struct eventcount {
    struct gate gate;
    _Atomic uint32_t count;
};

/* After this the caller looks at the state once more, and only then sleeps on the returned count. */
uint32_t eventcount_prepare(struct eventcount *event);

/* STATUS_OK: the state may have changed. STATUS_TIMED_OUT. STATUS_INTERRUPTED: a signal, or the end
 * of a slice. */
enum status eventcount_sleep(struct eventcount *event, uint32_t seen, deadline_t deadline);

/* After the state was changed: wakes up to *wake* sleepers. */
void eventcount_advance(struct eventcount *event, unsigned wake);

#endif
