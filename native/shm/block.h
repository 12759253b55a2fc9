/* Blocks: the memory of the arena, and what the kinds of blocks need of it.
 *
 * Idea      A block is in exactly one of three states: in use (references > 0), on the list of
 *           blocks to be reclaimed (its last reference is gone, but it may still own references to
 *           others), or on the free list of its class. Each move is one transaction.
 * Stable    The kinds with robust mutexes (layout.h) have free lists of their own. What was once
 *           taken for such a kind is never used for another.
 * Crash     Killed anywhere: the journal makes each move whole. A block that was staged but not
 *           committed is still where it was. What a new block is for is written before top grows
 *           over it.
 */
#ifndef PROCESSION_SHM_BLOCK_H
#define PROCESSION_SHM_BLOCK_H

#include "../status.h"
#include "layout.h"

typedef void (*child_visitor)(void *with, offset_t offset);

/* What a kind of block needs of the arena, beyond being memory. Its children are the blocks to
 * which it owns a reference. */
struct block_ops {
    /* Stages that the unreferenced *block* gives up one of its children, and returns that child;
     * NULL when it has no more. Called until then, a transaction each time. */
    struct block *(*pop_child)(struct arena *arena, struct block *block);
    /* Visits, without a change, the offset of each child. */
    void (*visit_children)(struct arena *arena, struct block *block, child_visitor visit,
                           void *with);
    /* The process of *tag* has died, and it held a reference to *block*. Arena locked. */
    void (*on_owner_death)(struct arena *arena, struct block *block, uint32_t tag);
};
/* Must be called before any other thread or process can see the arena. */
void block_set_ops(enum block_kind kind, struct block_ops ops);

/* ---- the arena is locked */

/* Stages a block of *size* bytes, without a reference: see reference_stage_new(). Its contents are
 * not cleared. No other process sees it before the commit: that is the time to fill it in. */
enum status block_stage_allocate(struct arena *arena, uint64_t size, enum block_kind kind,
                                 struct block **block);
/* Stages that *block*, the first of the reclaim list, goes to the free list. */
void block_stage_free(struct arena *arena, struct block *block);

/* See block_ops: each calls that of the block's kind, if it has one. */
struct block *block_pop_child(struct arena *arena, struct block *block);
void block_on_owner_death(struct arena *arena, struct block *block, uint32_t tag);
void block_visit_children(struct arena *arena, struct block *block, child_visitor visit,
                          void *with);

/* Maps all of the block whose contents are at *offset*, if one can be there at all.
 * STATUS_NO_MEMORY: this process has no room for it. A caller that uses a block of any size calls
 * it first; blocks of at most IN_ONE_WINDOW bytes, header included, need only arena_at(). */
enum status block_reach(struct arena *arena, offset_t offset);
#define IN_ONE_WINDOW (WINDOW_BYTES / 8)
/* The same for a repair, which cannot report an error: with what is held back, or not at all. */
void block_require(struct arena *arena, offset_t offset);

/* The block whose contents are at *offset* if there is one and its serial is right, else NULL. */
struct block *block_find(struct arena *arena, offset_t offset, uint64_t serial);

static inline void *block_contents(struct block *block)
{
    return block + 1;
}

static inline struct block *block_of(void *contents)
{
    return (struct block *)contents - 1;
}

#endif
