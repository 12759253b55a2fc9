/* The pipe that tells others when this process has ended, and the kernel to kill those who hang on it.
 *
 * Idea   A process holds the only write end of a pipe, and never writes. When it ends, in whatever way,
 *        the kernel closes that end; whoever has the read end sees it, or has asked that this event
 *        be its own SIGKILL. Nobody has to watch. (PR_SET_PDEATHSIG takes the end of the parent's
 *        thread for that of the parent.)
 * Fork   The child has the write end too, and gives it up at once. No pipe is made while another
 *        thread forks, so there is none that the child would not know of.
 * Source fcntl(2): O_ASYNC, F_SETSIG. What they set belongs to the open file description, which forks
 *        share; so a process opens one of its own, through /proc. */
#ifndef PROCESSION_OS_LIFELINE_H
#define PROCESSION_OS_LIFELINE_H

/* The read end of this process's pipe, made by the first call; closed on exec. -1, with errno. */
int lifeline_read_end(void);

/* Has this process killed when the write end of the pipe with the read end *fd* is closed. Returns a
 * descriptor to be kept open, or -1, with errno: ENOENT where there is no /proc. */
int lifeline_bond(int fd);

/* ---- around fork */

void lifeline_before_fork(void);
void lifeline_after_fork_in_parent(void);
void lifeline_after_fork_in_child(void);

#endif
