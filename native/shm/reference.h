/* References to blocks: which process holds which, and when a block has none left.
 *
 * Idea      A block counts its references. Each of them is written down by its owner: in a list of
 *           the slot of a process, in a message, or in another block. So after a process has died,
 *           of whatever cause, any other process can give back what it held.
 * Invariant A block's count is the number of slots' entries that name it, plus one for each message
 *           and each block that owns it. Entry and count change in one transaction.
 * List      Parts of 64, 128, 256, ... entries, so that entry number i is found by its highest bit,
 *           and a list that grows never moves. A used entry is the offset of a block's contents, an
 *           unused one the number of the next unused one, made odd.
 * Here      Only this file and reference.c change a count.
 */
#ifndef PROCESSION_SHM_REFERENCE_H
#define PROCESSION_SHM_REFERENCE_H

#include "arena.h"
#include "block.h"
#include "journal.h"

/* A reference that this process holds. */
struct handle {
    offset_t offset; /* 0: holds nothing */
    uint32_t entry;  /* of the holder's slot */
};

/* ---- the count; the arena is locked */

/* Stages a block of *size* bytes with one reference, which the caller stages somewhere. The
 * contents are not cleared. Until the commit no other process sees it: that is the time to fill
 * it in. */
enum status reference_stage_new(struct arena *arena, uint64_t size, enum block_kind kind,
                                struct block **block);
void reference_stage_add(struct arena *arena, struct block *block);
/* One reference less. The last one puts the block on the reclaim list. */
void reference_stage_release(struct arena *arena, struct block *block);

/* Takes the blocks of the reclaim list apart and frees them: at most *steps* transactions, so that
 * no other process waits long. The next call, in any process, does the rest. False: this one can do
 * no more: all is done, or it is short of address space for blocks that it does not have yet. */
bool arena_reclaim(struct arena *arena, unsigned steps);
enum { RECLAIM_STEPS = 256 };
/* Reclaims all. Locks the arena, and lets others have it in between: there may be a million
 * blocks. */
void arena_reclaim_all(struct arena *arena);

/* ---- handles; these lock the arena themselves */

/* Makes a block, held by this process. *fill* (or NULL) writes it before any other process sees
 * it. */
enum status handle_create(struct arena *arena, uint64_t size, enum block_kind kind,
                          void (*fill)(void *contents, uint64_t size, const void *with),
                          const void *with, struct handle *handle);
/* One more reference to an existing block. STATUS_STALE: it is not there any more. */
enum status handle_attach(struct arena *arena, offset_t offset, uint64_t serial,
                          struct handle *handle);
void handle_release(struct arena *arena, struct handle *handle);
/* The numbers of the entries of this process's slot: at most *capacity* of them are written to
 * *entries*. Returns how many there are. */
uint32_t handle_list(struct arena *arena, uint32_t *entries, uint32_t capacity);
struct handle handle_at(struct arena *arena, uint32_t entry);

/* ---- entries, as parts of larger transactions; the arena is locked */

/* Room for one more entry in the slot; must come before anything is staged. */
enum status reference_ensure_entry(struct arena *arena, uint32_t index);
/* Stages an entry for *block* in the slot; returns its number. */
uint32_t reference_stage_entry(struct arena *arena, uint32_t index, struct block *block);
void reference_stage_no_entry(struct arena *arena, uint32_t index, uint32_t entry);
/* The value of an entry, used or not, of the slot. */
uint64_t reference_entry(struct arena *arena, uint32_t index, uint32_t entry);

/* ---- slots of other processes, for the process table alone; the arena is locked */

/* One more reference to *block*, listed in the slot under the number *entry*. */
enum status reference_hold(struct arena *arena, uint32_t index, struct block *block,
                           uint32_t *entry);
/* Lists in the slot *to*, which lists nothing, what the slot *from* lists and a fork inherits. */
enum status references_copy(struct arena *arena, uint32_t from, uint32_t to);
/* Releases what the slot of the dead process *tag* lists, then the list itself: a part of it at a
 * time, from *progress* on, so that no other process waits long. */
struct release_progress {
    uint32_t part, entry; /* first {0, 0} */
};
enum release {
    RELEASED_ALL,
    RELEASED_SOME, /* call it again */
    RELEASE_SHORT, /* no address space for the rest; another process, or a later call, goes on */
};
enum release references_release(struct arena *arena, uint32_t index, uint32_t tag,
                                struct release_progress *progress);

#endif
