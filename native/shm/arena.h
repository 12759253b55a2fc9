/* The arena: one memory file of a family of processes, with a mutex.
 *
 * The arena's own state changes in transactions (journal.h). Its memory is taken and freed in
 * blocks (block.h). A block is freed when nothing refers to it any more (reference.h). */
#ifndef PROCESSION_SHM_ARENA_H
#define PROCESSION_SHM_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "../os/mapping.h"
#include "../status.h"
#include "layout.h"

/* This process's view of its family's arena. */
struct arena {
    struct mapping mapping;
    struct arena_header *header;
    uint32_t self; /* index of this process's slot */
    uint32_t tag;  /* and its tag: index and generation */
};

/* The default size of the address range; only what is used costs memory. */
#define ARENA_RESERVE (UINT64_C(1) << 40)

enum status arena_create(struct arena *arena, uint64_t reserve);
/* Joins the arena behind *fd*, which it then owns. STATUS_CORRUPT: that is no arena of this
 * layout. */
enum status arena_open(struct arena *arena, int fd);
void arena_close(struct arena *arena);

void arena_lock(struct arena *arena); /* repairs what a dead owner left */
void arena_unlock(struct arena *arena);

static inline void *arena_at(const struct arena *arena, offset_t offset)
{
    return arena->mapping.base + offset;
}

static inline offset_t arena_offset(const struct arena *arena, const void *address)
{
    return (offset_t)((const char *)address - arena->mapping.base);
}

static inline uint64_t word_get(word_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

/* The slot of a process: see process_table.h. */
static inline struct slot *arena_slot(const struct arena *arena, uint32_t index)
{
    return &arena->header->slots[index];
}

static inline uint32_t tag_index(uint32_t tag)
{
    return tag & ((1u << SLOT_INDEX_BITS) - 1);
}

#endif
