/* How long to spin before sleeping.
 *
 * Idea      Between processes that answer each other in a microsecond a futex round trip costs
 *           tens; where the answer takes long, spinning only burns a processor. So each waiter
 *           remembers how its last waits went: a sleep that was short says that spinning would
 *           have paid, a long one that it would not.
 * Rule      Never with a single processor. After a few turns each one yields, so that
 *           a spinner never keeps a processor from the one it waits for.
 * State     Of one process, not shared; races between its threads change only the guess.
 */
#ifndef PROCESSION_SYNC_SPIN_WAIT_H
#define PROCESSION_SYNC_SPIN_WAIT_H

#include <stdatomic.h>
#include <stdbool.h>

#include "../os/clock.h"

struct spin_wait {
    _Atomic nanoseconds spin; /* how long to spin next time */
};

void spin_wait_init(struct spin_wait *spin_wait);

/* Whether spinning can pay at all. */
bool spin_wait_allowed(void);
/* One turn of a loop that waits for another processor. */
void spin_wait_relax(void);

/* Spins while *word is *seen*; true when it changed. */
bool spin_wait_while(struct spin_wait *spin_wait, _Atomic uint32_t *word, uint32_t seen);

/* The sleep after a vain spin lasted so long. */
void spin_wait_slept(struct spin_wait *spin_wait, nanoseconds slept);

#endif
