/* A process that kills itself: at a given time, or when it is told to while it runs a given task.
 *
 * Idea   A worker of a pool may be stuck in code that never returns to the interpreter. So the
 *        kernel kills it: a timer whose signal is SIGKILL needs no thread and no handler. To cancel
 *        a task, another process cannot simply kill the worker, which may have gone on to another
 *        task meanwhile. The worker's own signal handler compares the two first, and no other code
 *        of the process runs between the comparison and the kill.
 */
#ifndef PROCESSION_OS_KILL_TIMER_H
#define PROCESSION_OS_KILL_TIMER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

/* Has this process killed at *deadline*, which replaces any earlier one. False: errno. */
bool kill_timer_set(deadline_t deadline);
void kill_timer_cancel(void);

/* The number of the signal that asks a process to end, if its task is the cancelled one. */
int kill_signal_number(void);
/* On that signal this process is killed if *current* equals *cancelled* and is not 0. False:
 * errno. */
bool kill_signal_install(const _Atomic uint64_t *current, const _Atomic uint64_t *cancelled);

#endif
