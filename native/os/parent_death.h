/* The pipe that shows that this process has ended, and links that have the kernel kill its
 * children.
 *
 * Idea   A process holds the only write end of a pipe, and never writes. When the process ends, in
 *        whatever way, the kernel closes that end. A process that has the read end sees it, or has
 *        asked the kernel to send SIGKILL on that event: this is a death link. No process has to
 *        watch. (PR_SET_PDEATHSIG takes the end of the parent's thread for that of the parent.)
 * Root   The pipe of the family's root is opened once more, with a mark: a link to that one looks
 *        how the root has ended before it kills, see root_end.h.
 * Fork   The child has the write end too, and closes it at once. No pipe and no link is made while
 *        another thread forks, so a child has none that it would not know of, and none that leads
 *        to a sibling.
 * Source fcntl(2): O_ASYNC, F_SETSIG, F_SETOWN. What they set belongs to the open file description,
 *        which forks share; so each link is opened anew, through /proc: by the parent if possible,
 *        since a new process's first look into /proc costs more than the rest of this. */
#ifndef PROCESSION_OS_PARENT_DEATH_H
#define PROCESSION_OS_PARENT_DEATH_H

#include <stdbool.h>

#define DEATH_LINKS_MOST 2 /* of a forked child: to its parent and to the root of the family */

/* The read end of this process's pipe. The first call makes the pipe, which is closed on exec.
 * -1, with errno. */
int parent_death_read_end(void);

/* Marks the pipe of this process as that of the root of its family: returns another read end,
 * closed on exec; or -1, with errno. */
int parent_death_root_end(void);

/* Returns a link to the process whose pipe has the read end *fd*: a descriptor that one process can
 * arm; or -1, with errno: ENOENT where there is no /proc. */
int death_link_open(int fd);

/* Has this process killed when the process that the link leads to ends; if it is the root, when it
 * is killed. The link stays open. */
void death_link_arm(int link);

/* ---- around fork */

/* Makes links to the processes of these pipes for the child of this thread's next fork, which must
 * follow at once. False, with errno: no link can be made, and the fork must not follow. */
bool parent_death_prepare_fork(const int *read_ends, int count);

void parent_death_before_fork(void);
void parent_death_after_fork_in_parent(void); /* or after the preparation, without a fork */
void parent_death_after_fork_in_child(void);

#endif
