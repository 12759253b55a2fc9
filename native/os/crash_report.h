/* What a process says when a fatal signal ends it, kept for its parent.
 *
 * Idea      Python's faulthandler writes the stack of a crashed process to standard error. Our handler
 *           stands before it: it turns standard error into a memory file, calls that handler, writes
 *           what came out where it was meant to go, and copies it to *place*, shared memory.
 * Invariant The process ends by its signal, as it would have; standard error gets what it would have
 *           got. In a process forked from the one that called, the handler only passes on.
 * Trust     Everything here runs in a process that is broken already: system calls and memcpy only. */
#ifndef PROCESSION_OS_CRASH_REPORT_H
#define PROCESSION_OS_CRASH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether no code of this process handles any of the fatal signals. */
bool crash_report_signals_unhandled(void);

/* From now on, the words of this process go to *place*: *size* zeroed bytes that stay where they are,
 * of which the last stays zero. Signals that other code than faulthandler handles are left to it. */
void crash_report_keep(char *memory, size_t size);

#endif
