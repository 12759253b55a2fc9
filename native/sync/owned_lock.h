/* Locks that belong to a channel or a container.
 *
 * Programs that were written for the standard package take a queue's `_rlock` or `_wlock`. Putting
 * and taking need no such locks here, so one is made when it is first asked for. The block then
 * owns it, and every process that has the block finds the same lock. */
#ifndef PROCESSION_SYNC_OWNED_LOCK_H
#define PROCESSION_SYNC_OWNED_LOCK_H

#include "../shm/reference.h"

/* The lock behind *word*, a word of a block that owns it; the first call makes it. */
enum status owned_lock_at(struct arena *arena, word_t *word, offset_t *offset, uint64_t *serial);

#endif
