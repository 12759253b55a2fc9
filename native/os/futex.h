/* Sleeping on a 32-bit word of shared memory, until another process says it has changed.
 *
 * Source: futex(2). The deadline is absolute (FUTEX_WAIT_BITSET), so a sleep that is begun again
 * after a signal lasts no longer in total. */
#ifndef PROCESSION_OS_FUTEX_H
#define PROCESSION_OS_FUTEX_H

#include <stdatomic.h>
#include <stdint.h>

#include "clock.h"

enum futex_result {
    FUTEX_WOKEN,       /* by another thread, or the word did not have the expected value */
    FUTEX_TIMED_OUT,   /* the deadline has passed */
    FUTEX_INTERRUPTED, /* a signal handler of this thread ran */
};

enum futex_result futex_wait(_Atomic uint32_t *word, uint32_t expected, deadline_t deadline);

/* Wakes at most *count* sleepers; returns how many there were. */
unsigned futex_wake(_Atomic uint32_t *word, unsigned count);

#define FUTEX_EVERYBODY ((unsigned)INT32_MAX)

#endif
