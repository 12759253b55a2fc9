/* Which process it was that died: for messages.
 *
 * A slot keeps the pid and the name of its process until the next process takes it, also after it
 * was reaped. So the process that first finds another dead, where it matters, copies them. */
#ifndef PROCESSION_SYNC_DEAD_OWNER_H
#define PROCESSION_SYNC_DEAD_OWNER_H

#include "../shm/arena.h"

struct dead_owner {
    word_t pid; /* 0: not known (any more) */
    char name[SLOT_NAME_BYTES];
};

/* Writes down the process that had *tag*. */
void dead_owner_write(struct dead_owner *dead_owner, const struct arena *arena, uint32_t tag);

#endif
