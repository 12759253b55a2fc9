/* How long to spin before sleeping.
 *
 * Idea      Between processes that answer each other in a microsecond a futex round trip costs
 *           tens; where the answer takes long, spinning only burns a processor. So each waiter
 *           remembers how its last waits went: a short sleep says that spinning would have paid, a
 *           long one that it would not.
 * Rule      A waiter never spins with a single processor. After a few turns it yields at each turn,
 *           so that it never keeps a processor from the process it waits for.
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

/* Notes how long the sleep after a spin in vain lasted. */
void spin_wait_slept(struct spin_wait *spin_wait, nanoseconds slept);

#endif
