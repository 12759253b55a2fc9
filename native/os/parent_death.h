/* The pipe that tells others when this process has ended, and the kernel to kill those who hang on it.
 *
 * Idea   A process holds the only write end of a pipe, and never writes. When it ends, in whatever way,
 *        the kernel closes that end; whoever has the read end sees it, or has asked that this event
 *        be its own SIGKILL. Nobody has to watch. (PR_SET_PDEATHSIG takes the end of the parent's
 *        thread for that of the parent.)
 * Fork   The child has the write end too, and gives it up at once. No pipe is made while another
 *        thread forks, so there is none that the child would not know of; nor are bonds, so a child
 *        has none of a sibling's.
 * Source fcntl(2): O_ASYNC, F_SETSIG, F_SETOWN. What they set belongs to the open file description,
 *        which forks share; so each bond is opened anew, through /proc: by the parent if possible,
 *        since a new process's first look into /proc costs more than the rest of this. */
#ifndef PROCESSION_OS_PARENT_DEATH_H
#define PROCESSION_OS_PARENT_DEATH_H

#include <stdbool.h>

#define DEATH_LINKS_MOST 2 /* of a forked child: to its parent, to the root of the family */

/* The read end of this process's pipe, made by the first call; closed on exec. -1, with errno. */
int parent_death_read_end(void);

/* Returns a bond to the process whose pipe has the read end *fd*: a descriptor for one process to be
 * tied by, or -1, with errno: ENOENT where there is no /proc. */
int death_link_open(int fd);

/* Has this process killed when the process that the bond leads to ends. The bond stays open. */
void death_link_arm(int link);

/* ---- around fork */

/* The child of this thread's next fork, which has to come now, will be tied to the processes of these
 * pipes. Returns false, with errno, if it cannot. */
bool parent_death_prepare_fork(const int *read_ends, int count);

void parent_death_before_fork(void);
void parent_death_after_fork_in_parent(
    void); /* or after parent_death_prepare_fork() instead of the fork */
void parent_death_after_fork_in_child(void);

#endif
