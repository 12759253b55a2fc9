/* Lists in shared memory that grow, and whose entries never move.
 *
 * Idea      A block has a first part of the list in itself, and the offsets of further parts, each
 *           a block of its own (an annex) with twice as many entries as the part before; so the
 *           part of an entry is found by the highest bit of its number, and little is unused.
 * Commit    An annex is filled with zeros and linked in one transaction of the arena. Nobody unlinks it:
 *           it goes with the block that owns it, whose kind's manners call the functions below.
 */
#ifndef PROCESSION_SHM_OVERFLOW_H
#define PROCESSION_SHM_OVERFLOW_H

#include "block.h"

/* Where entry *number* is, when the first part has *first* entries: part 0 is the block itself. */
static inline uint32_t overflow_part(uint32_t first, uint32_t number)
{
    return 31 - (uint32_t)__builtin_clz(number / first + 1);
}

/* The number of a part's first entry. */
static inline uint32_t overflow_start(uint32_t first, uint32_t part)
{
    return first * ((1u << part) - 1);
}

/* The annex behind *link*, or NULL: there is none yet. */
static inline void *overflow_at(const struct arena *arena, word_t *link)
{
    /* Acquire, pairs with the journal's stores: what is in the annex is visible, too. */
    offset_t offset = atomic_load_explicit(link, memory_order_acquire);
    return offset ? arena_at(arena, offset) : NULL;
}

/* Links an annex of *bytes* zeros at *link*, unless somebody was faster. Locks the arena, so the caller must
 * hold no mutex that a reaper may want. STATUS_NO_MEMORY. */
enum status overflow_add(struct arena *arena, word_t *link, uint64_t bytes);

/* For the manners of a kind that has *count* links: see block_ops. */
struct block *overflow_pop_child(struct arena *arena, word_t *links, uint32_t count);
void overflow_visit_children(word_t *links, uint32_t count, child_visitor visit, void *with);

#endif
