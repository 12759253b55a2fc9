/* Where waiters sleep until a 32-bit word of shared memory changes.
 *
 * Idea      Waking costs a system call, so a waker must know whether anybody sleeps. A sleeper
 *           first takes a ticket, then looks once more, then sleeps. A waker changes the word, then
 *           looks at the tickets: one of the two always sees the other (Dekker).
 * Crash     Sleepers that are killed cannot give their tickets back. So nobody gives any back: a
 *           waker that finds no sleeper behind the tickets clears them, unless a new one was taken
 *           in the meantime. A wake-up that went to a killed sleeper, or that a killed waker
 *           never sent, is made up for by the next slice of the others' sleep (clock.h).
 */
#ifndef PROCESSION_SYNC_GATE_H
#define PROCESSION_SYNC_GATE_H

#include <stdatomic.h>
#include <stdint.h>

#include "../os/futex.h"
#include "../status.h"

struct gate {
    _Atomic uint32_t tickets; /* taken since somebody last looked in vain; 0: nobody sleeps */
};

/* After this the caller looks at the word once more, and only then sleeps. */
void gate_take_ticket(struct gate *gate);

/* STATUS_OK: the word may have changed. STATUS_TIMED_OUT. STATUS_INTERRUPTED: a signal, or the end
 * of a slice. */
enum status gate_sleep(_Atomic uint32_t *word, uint32_t seen, deadline_t deadline);

/* After the word was changed. The fence makes the change visible before the tickets are read. */
void gate_open(struct gate *gate, _Atomic uint32_t *word, unsigned count);

#endif
