/* How the first process of a family has ended: by its own will, or killed.
 *
 * Idea   A process that is no daemon is killed with the root of its family, but lives on when the
 *        root ends by its own will: by _exit(2), or by exec, after which its pid lives on. The
 *        kernel tells both alike, by closing the root's death pipe. So the link to the root sends a
 *        signal whose handler looks: at the root's state and exit status in /proc; after it was
 *        reaped, at what a pidfd tells (Linux 6.15).
 * Rule   Killed is what has ended by a signal; and what has been reaped where no pidfd tells how it
 *        ended: then nothing may be left behind.
 * Source do_exit() sets PF_EXITING and the exit code before it closes files; proc(5), fields 9 and
 *        52 of stat; include/uapi/linux/pidfd.h. All calls here are async-signal-safe. */
#ifndef PROCESSION_OS_ROOT_END_H
#define PROCESSION_OS_ROOT_END_H

#include <stdbool.h>
#include <sys/types.h>

/* From now on *pid* is the root, 0: not known; *pidfd* is its pidfd, -1: there is none. */
void root_end_watch(pid_t pid, int pidfd);

/* A descriptor that refers to this process, close-on-exec; -1 where the kernel has none. */
int root_end_pidfd(pid_t pid);

int root_end_known_pidfd(void); /* -1: none */

/* Whether the root was killed: asked when its death pipe is closed. Safe in a signal handler. */
bool root_end_was_kill(void);

#endif
