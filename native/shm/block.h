/* Blocks: how one is taken, found, and freed after its last reference is gone.
 *
 * Idea      A block is in exactly one of three states: in use (references > 0), on the list of
 *           blocks to be reclaimed (its last reference is gone, but it may still own references to
 *           others), or on the free list of its class. Each move is one transaction.
 * Crash     Killed anywhere: the journal makes each move whole. A block that was staged but not
 *           committed is still where it was.
 */
#ifndef PROCESSION_SHM_BLOCK_H
#define PROCESSION_SHM_BLOCK_H

#include "arena.h"

typedef void (*child_visitor)(void *with, offset_t payload);

/* What a kind of block needs of the arena, beyond being memory. Its children are the blocks to
 * which it owns a reference. */
struct block_ops {
    /* Stages that the unreferenced *block* gives up one of its children, and returns that child;
     * NULL when it has no more. Called until then, a transaction each time. */
    struct block *(*pop_child)(struct arena *arena, struct block *block);
    /* Visits, without a change, the payload of each child. */
    void (*visit_children)(struct arena *arena, struct block *block, child_visitor visit,
                           void *with);
    /* The process of *tag* has died, and it held a reference to *block*. Arena locked. */
    void (*on_owner_death)(struct arena *arena, struct block *block, uint32_t tag);
};
/* Must be called before any other thread or process can see the arena. */
void block_set_ops(enum block_kind kind, struct block_ops ops);

/* ---- the arena is locked */

/* Stages a block of *size* bytes with one reference, which the caller stages somewhere. Its payload
 * is not cleared. No other process sees it before the commit: that is the time to fill it in. */
enum status block_stage_new(struct arena *arena, uint64_t size, enum block_kind kind,
                            struct block **block);

/* Takes unreferenced blocks apart and frees them: at most *steps* transactions, so that no other
 * process waits long. What is left is done by the next call, of whatever process. */
void arena_reclaim(struct arena *arena, unsigned steps);
enum { RECLAIM_STEPS = 256 };

/* The block whose payload is at *payload* if there is one and its serial is right, else NULL. */
struct block *block_find(struct arena *arena, offset_t payload, uint64_t serial);

/* Tells *block* that the process of *tag*, which held it, has died. */
void block_on_owner_death(struct arena *arena, struct block *block, uint32_t tag);

/* Visits the block's children, whether it is in use or not: see block_ops. */
void block_visit_children(struct arena *arena, struct block *block, child_visitor visit,
                          void *with);

/* ---- the arena is not locked */

/* Reclaims all. Locks the arena, and lets others have it in between: there may be a million
 * blocks. */
void arena_reclaim_all(struct arena *arena);

static inline void *block_payload(struct block *block)
{
    return block + 1;
}

static inline struct block *block_of(void *payload)
{
    return (struct block *)payload - 1;
}

#endif
