/* The arena: one memory file of a family of processes, with a mutex.
 *
 * The arena's own state changes in transactions (journal.h). Its memory is taken and freed in
 * blocks (block.h). A block is freed when nothing refers to it any more (reference.h). */
#ifndef PROCESSION_SHM_ARENA_H
#define PROCESSION_SHM_ARENA_H

#include "../status.h"
#include "layout.h"

/* The default size of the file; only what is used costs memory and address space. */
#define ARENA_RESERVE MAPPING_LARGEST

enum status arena_create(struct arena *arena, uint64_t reserve);
/* Joins the arena behind *fd*, which it then owns. STATUS_CORRUPT: that is no arena of this layout,
 * or of a machine with other pages. */
enum status arena_open(struct arena *arena, int fd);
/* No thread may hold a mutex in it, that of its own slot included: the thread's list of robust
 * mutexes would lead into memory that is not mapped any more. */
void arena_close(struct arena *arena);
/* Takes *fd* in the place of a descriptor that was closed. False: that is not this arena's file. */
bool arena_reopened(struct arena *arena, int fd);

void arena_lock(struct arena *arena); /* repairs what a dead owner left */
void arena_unlock(struct arena *arena);
/* Unlocks the arena, lets others that wait have it, and locks it again. */
void arena_let_others(struct arena *arena);

#endif
