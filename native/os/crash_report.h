/* The crash report: what a process writes when a fatal signal ends it, kept for its parent.
 *
 * Idea      Python's faulthandler writes the stack of a crashed process to standard error. Our
 *           handler runs before it: it turns standard error into a memory file, calls that handler,
 *           writes what came out to where it was meant to go, and copies it to shared memory.
 * Invariant The process ends by its signal, as it would have; standard error gets what it would
 *           have got. In a fork of the process that called, the handler calls the next one only.
 * Trust     All of it runs in a process that is broken already: system calls and memcpy only. */
#ifndef PROCESSION_OS_CRASH_REPORT_H
#define PROCESSION_OS_CRASH_REPORT_H

#include <stdbool.h>
#include <stddef.h>

/* Whether no code of this process handles any of the fatal signals. */
bool crash_report_signals_unhandled(void);

/* From now on, the report of this process goes to *memory*: *size* zeroed bytes that stay mapped,
 * of which the last stays zero. A signal that other code than faulthandler handles is left to
 * it. */
void crash_report_keep(char *memory, size_t size);

#endif
