/* The end of this process by its own hand: when a time has come, or when it is told to while it does a
 * certain thing.
 *
 * Idea   A pool's worker may be stuck in code that never comes back to the interpreter. So the kernel ends
 *        it: a timer whose signal is SIGKILL needs no thread and no handler. And who wants to end what it
 *        does right now cannot simply kill it, for it may have gone on to something else meanwhile; the
 *        worker's own signal handler compares first, and nothing of the process runs between.
 */
#ifndef PROCESSION_OS_KILL_TIMER_H
#define PROCESSION_OS_KILL_TIMER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "clock.h"

/* This process is killed at *deadline*; any earlier deadline is forgotten. False: errno. */
bool kill_timer_set(deadline_t deadline);
void kill_timer_cancel(void);

/* The signal that says: end, if what you do is what you are to end for. */
int kill_signal_number(void);
/* On that signal this process is killed if *current* equals *cancelled* and is not 0. */
bool kill_signal_install(const _Atomic uint64_t *current, const _Atomic uint64_t *cancelled);

#endif
