/* The event: set or not, and how often it was set.
 *
 * Idea      One 32-bit word: bit 0 is the state, the rest counts how often it went from unset to
 *           set. A waiter waits for the bit or for a change of the count, so an event that is set
 *           and cleared at once still wakes every thread that waited.
 *
 *           word          means        next
 *           2n            not set      set -> 2(n + 1) + 1
 *           2n + 1        set          clear -> 2n
 *
 * Crash     The word is the whole state. Nothing is held while waiting, so set() in a signal
 *           handler wakes the very wait it interrupted.
 */
#ifndef PROCESSION_SYNC_EVENT_H
#define PROCESSION_SYNC_EVENT_H

#include <stdbool.h>

#include "event_count.h"
#include "spin_wait.h"

struct event {
    _Atomic uint32_t word;
    struct event_count sleepers;
};

static inline uint32_t event_look(struct event *event)
{
    return atomic_load_explicit(&event->word, memory_order_acquire);
}

/* Whether the event is set, or has been since *seen* was the word. */
static inline bool event_came(uint32_t word, uint32_t seen)
{
    return (word & 1) || (word | 1) != (seen | 1);
}

void event_set(struct event *event);
void event_clear(struct event *event);

/* Sleeps until the event is set. STATUS_OK: look again; STATUS_TIMED_OUT, STATUS_INTERRUPTED. */
enum status event_wait(struct event *event, struct spin_wait *spin_wait, uint32_t seen,
                       deadline_t deadline);

#endif
