/* Named points where a test can have the process killed.
 *
 * CRASH_POINT("channel.put.before_commit") is nothing in a release build. In the crash build
 * (PROCESSION_CRASH_POINTS) the process ends itself there by SIGKILL when that name is armed: by
 * crash_point_arm() or by PROCESSION_CRASH_POINT=name[:n] in the environment, at the n-th passage.
 * A name may end in '*'; then any point that starts so counts.
 *
 * A kill leaves the stores before it in the program's order and none of those after it, provided
 * the compiler kept that order. So in every build a crash point is a fence for the compiler (it
 * costs no instruction): where a test can kill, the order is what the source says.
 */
#ifndef PROCESSION_CRASH_POINT_H
#define PROCESSION_CRASH_POINT_H

#include <stdatomic.h>

#define IN_PROGRAM_ORDER() atomic_signal_fence(memory_order_seq_cst)

#ifdef PROCESSION_CRASH_POINTS
void crash_point_reached(const char *name);
void crash_point_arm(const char *name, unsigned passages); /* NULL disarms */
/* As crash_point_arm(); but there the process is stopped, until its parent lets it go on. */
void crash_point_arm_stop(const char *name, unsigned passages);
#define CRASH_POINT(name) crash_point_reached(name)
#else
#define CRASH_POINT(name) IN_PROGRAM_ORDER()
#endif

#endif
