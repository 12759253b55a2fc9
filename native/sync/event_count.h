/* The event count: where waiters sleep until something they look at may have changed.
 *
 * Idea      Waking costs a system call, so a waker must know whether a thread sleeps; and what is
 *           waited for may be several words, while a futex watches one. So an event count is a word
 *           of its own: a number, and in bit 0 whether a thread sleeps, or is about to. A sleeper
 *           sets the bit, looks at the state once more, and sleeps while the word stays. A process
 *           that has changed the state then advances the number; where no thread sleeps that is
 *           only a look.
 *
 *           word       means                 next
 *           2n         no thread sleeps      prepare -> 2n + 1
 *           2n + 1     a thread may sleep    advance -> 2n + 3, and wake; if that found too few to
 *                                            wake, or was to wake all -> 2n + 4, and wake all
 *
 * Invariant Sleeper: bit, then state. Waker: state, then bit. One of the two sees the other
 *           (Dekker); and a sleeper that has not fallen asleep yet finds the word changed.
 * Crash     A killed sleeper cannot clear its bit. So no sleeper does: a waker that finds fewer
 *           asleep than it would wake clears the bit. Another thread may have set it, or fallen
 *           asleep on it, in between: so the number changes in the same step, and all are woken
 *           after it, to set the bit again (models/channel.pml shows what happens otherwise). A
 *           wake-up that went to a killed sleeper, or that a killed waker never sent, is made up
 *           for at the end of the slice that the others sleep (clock.h).
 * Source    D. Reed, R. Kanodia, Synchronization with Eventcounts and Sequencers (1979).
 */
#ifndef PROCESSION_SYNC_EVENT_COUNT_H
#define PROCESSION_SYNC_EVENT_COUNT_H

#include <stdatomic.h>
#include <stdint.h>

#include "../os/futex.h"
#include "../status.h"

struct event_count {
    _Atomic uint32_t word;
};

/* After this the caller looks at the state once more; only then it sleeps, on what was returned. */
uint32_t event_count_prepare(struct event_count *event);

/* STATUS_OK: the state may have changed. STATUS_TIMED_OUT. STATUS_INTERRUPTED: a signal came, or
 * the slice has ended. */
enum status event_count_sleep(struct event_count *event, uint32_t seen, deadline_t deadline);

/* After the state was changed: wakes up to *wake* sleepers. */
void event_count_advance(struct event_count *event, unsigned wake);

/* Sleeps in the same way while *word is *seen*, for callers that do the waking by themselves. */
enum status sleep_a_slice(_Atomic uint32_t *word, uint32_t seen, deadline_t deadline);

#endif
