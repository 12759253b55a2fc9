/* Whether a process is alive.
 *
 * A pid alone does not say: pids are used again, and a zombie still answers kill(pid, 0). So a
 * process is known by its pid and its start time, and it has ended when /proc no longer shows that
 * pair, or shows it as a zombie without threads. Costs about 10 us; only slow paths ask.
 * Where /proc cannot be read, a pidfd tells the zombie, and the start time goes unchecked.
 * The process table knows a quicker way. It asks here only about a process whose main thread is
 * gone.
 *
 * All numbers are those of the caller's PID namespace: a family is in one namespace only. */
#ifndef PROCESSION_OS_LIVENESS_H
#define PROCESSION_OS_LIVENESS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#define START_UNKNOWN UINT64_C(0)

/* Clock ticks from boot to the start of *pid*; START_UNKNOWN when it cannot be found out. */
uint64_t process_start_time(pid_t pid);

/* Writes the pids of this thread's children that are still there, perhaps as zombies, to *pids*, at
 * most *capacity* of them, the newest first. Returns how many there are, or CHILDREN_UNKNOWN: the
 * kernel does not tell, or they change too fast. Orphans that this process was given are among
 * them. */
int process_children(pid_t *pids, int capacity);
#define CHILDREN_UNKNOWN (-1)

/* The point of the monotonic clock in the unit of process_start_time(), rounded down. */
uint64_t process_start_ticks(int64_t monotonic_ns);

bool process_has_ended(pid_t pid, uint64_t start);

/* Whether the kernel knows no process of that number, not even a zombie. One system call. */
bool process_is_unknown(pid_t pid);

/* Whether no thread of that number runs any more, in whatever process. It may be a zombie. */
bool thread_has_ended(pid_t tid);

/* A number that this process's PID namespace alone has; 0: it cannot be found out. */
uint64_t process_pid_namespace(void);

/* Kills the process that started at *start* and waits until it has ended; it is reaped if it is a
 * child. Does nothing if the pid is another process's by now. */
void process_kill(pid_t pid, uint64_t start);

/* Whether the program that ran as process *pid* is gone, given that its main thread is gone: the
 * process has ended, or another program replaced it by exec. In neither case can a thread of it
 * still be running. */
bool process_has_left(pid_t pid);

/* How many processors this process may run on; at least 1. */
unsigned process_cpu_count(void);

#endif
