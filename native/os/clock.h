/* Time: integer nanoseconds of the monotonic clock; a deadline is a point on it. */
#ifndef PROCESSION_OS_CLOCK_H
#define PROCESSION_OS_CLOCK_H

#include <stdint.h>

typedef int64_t nanoseconds; /* a length of time */
typedef int64_t deadline_t;  /* a point on CLOCK_MONOTONIC, in nanoseconds */

#define DEADLINE_NEVER INT64_MAX
#define NS_PER_US INT64_C(1000)
#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

/* The longest sleep at a time. When a process is killed before it could act on a wake-up, or before
 * it could send one, the other waiters sleep at most this much longer: well within the second that
 * the design allows. */
#define SLICE_NS (200 * NS_PER_MS)

deadline_t clock_now(void);

/* The end of the next slice of a wait that ends at *deadline*. */
deadline_t clock_next_slice(deadline_t deadline);

#endif
