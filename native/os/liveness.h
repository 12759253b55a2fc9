/* Whether a process is alive.
 *
 * A pid alone does not say: pids are used again, and a zombie still answers kill(pid, 0). So a
 * process is known by its pid and its start time, and it has ended when /proc no longer shows that
 * pair, or shows it as a zombie without threads. Costs about 10 us; only slow paths ask.
 * Where /proc cannot be read, a pidfd tells the zombie, and the start time goes unchecked.
 * The process table knows a quicker way. It asks here only about a process whose main thread is
 * gone. */
#ifndef PROCESSION_OS_LIVENESS_H
#define PROCESSION_OS_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define START_UNKNOWN UINT64_C(0)

/* Clock ticks from boot to the start of *pid*; START_UNKNOWN when it cannot be found out. */
uint64_t process_start_time(pid_t pid);

/* The pid of the newest child of this thread that is still there, perhaps as a zombie; 0: none.
 * CHILDREN_UNKNOWN: the kernel does not tell. */
pid_t process_newest_child(void);
#define CHILDREN_UNKNOWN ((pid_t) - 1)

bool process_has_ended(pid_t pid, uint64_t start);

/* Whether the program that ran as process *pid* is gone, given that its main thread is gone: the
 * process has ended, or another program replaced it by exec. In neither case can a thread of it
 * still be running. */
bool process_has_left(pid_t pid);

/* How many processors this process may run on; at least 1. */
unsigned process_cpu_count(void);

#endif
