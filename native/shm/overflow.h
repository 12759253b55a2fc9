/* Lists in shared memory that grow, and whose entries never move.
 *
 * Idea      A block has the first part of the list in itself, and the offsets of further parts,
 *           each a block of its own (an overflow block) with twice as many entries as the part
 *           before. So the part of an entry is found by the highest bit of its number, and little
 *           is unused.
 * Commit    An overflow block is filled with zeros and linked in one transaction of the arena. It
 *           is never unlinked: it goes with the block that owns it, whose block_ops call the
 *           functions below.
 */
#ifndef PROCESSION_SHM_OVERFLOW_H
#define PROCESSION_SHM_OVERFLOW_H

#include "block.h"

/* The part of entry *number*, when the first part has *first* entries. Part 0 is in the block. */
static inline uint32_t overflow_part(uint32_t first, uint32_t number)
{
    return 31 - (uint32_t)__builtin_clz(number / first + 1);
}

/* The number of a part's first entry. */
static inline uint32_t overflow_start(uint32_t first, uint32_t part)
{
    return first * ((1u << part) - 1);
}

/* The overflow block behind *link*, or NULL: there is none yet. */
static inline void *overflow_at(const struct arena *arena, word_t *link)
{
    /* Acquire, pairs with the journal's stores: the contents of the block are visible, too. */
    offset_t offset = atomic_load_explicit(link, memory_order_acquire);
    return offset ? arena_at(arena, offset) : NULL;
}

/* Links an overflow block of *bytes* zeros at *link*, unless another process has done so. Locks the
 * arena, so the caller must hold no mutex that a reaper may want. STATUS_NO_MEMORY. */
enum status overflow_add(struct arena *arena, word_t *link, uint64_t bytes);

/* For the block_ops of a kind that has *count* links. */
struct block *overflow_pop_child(struct arena *arena, word_t *links, uint32_t count);
void overflow_visit_children(word_t *links, uint32_t count, child_visitor visit, void *with);

#endif
