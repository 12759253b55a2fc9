/* The arena: blocks of shared memory, counted references, one journal.
 *
 * A caller locks the arena, *stages* what shall change, and commits: all of it happens or nothing.
 * Within one transaction a word is staged at most once, and at most one block is released. */
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

typedef void (*child_visitor)(void *with, offset_t payload);

/* What a kind of block needs of the arena, beyond being memory. */
struct block_ops {
    /* Stages the surrender of one reference that the dead *block* owns, and returns that child;
     * NULL when it owns no more. Called until then, a transaction each time. */
    struct block *(*pop_child)(struct arena *arena, struct block *block);
    /* Visits, without a change, the payload of each block that *block* owns a reference to. */
    void (*visit_children)(struct arena *arena, struct block *block, child_visitor visit,
                           void *with);
    /* The process of *tag* has died, and it held a reference to *block*. Arena locked. */
    void (*on_owner_death)(struct arena *arena, struct block *block, uint32_t tag);
};
/* Must be called before any other thread or process can see the arena. */
void block_set_ops(enum block_kind kind, struct block_ops manners);

/* The default size of the address range; only what is used costs memory. */
#define ARENA_RESERVE (UINT64_C(1) << 40)

enum status arena_create(struct arena *arena, uint64_t reserve);
/* Joins the arena behind *fd*, which it then owns. STATUS_CORRUPT: that is no arena of this layout. */
enum status arena_open(struct arena *arena, int fd);
void arena_close(struct arena *arena);

void arena_lock(struct arena *arena); /* repairs what a dead owner left */
void arena_unlock(struct arena *arena);

/* ---- transactions; the arena is locked */

void journal_stage(struct arena *arena, word_t *word, uint64_t value);
void journal_commit(struct arena *arena);

/* Stages a block of *size* bytes with one reference, which the caller stages somewhere. Its payload is
 * not cleared; nobody sees it before the commit, so that is the time to fill it in. */
enum status block_stage_new(struct arena *arena, uint64_t size, enum block_kind kind,
                            struct block **block);
void reference_stage_add(struct arena *arena, struct block *block);
/* One reference less. The last one puts the block on the list of the dead: see arena_reclaim. */
void reference_stage_release(struct arena *arena, struct block *block);

/* Takes dead blocks apart and frees them: at most *steps* transactions, so that nobody waits long.
 * What is left is done by whoever calls next. */
void arena_reclaim(struct arena *arena, unsigned steps);
enum { RECLAIM_STEPS = 256 };
/* All of them. Locks the arena, and lets others have it in between: there may be a million. */
void arena_reclaim_all(struct arena *arena);

/* ---- looking */

/* The block whose payload is at *payload* if there is one and its serial is right, else NULL. */
struct block *block_find(struct arena *arena, offset_t payload, uint64_t serial);

/* Tells *block* that the process of *tag*, which held it, has died. */
void block_on_owner_death(struct arena *arena, struct block *block, uint32_t tag);

/* Visits what *block* owns, dead or not: see block_ops. */
void block_visit_children(struct arena *arena, struct block *block, child_visitor visit,
                          void *with);

static inline void *arena_at(const struct arena *arena, offset_t offset)
{
    return arena->mapping.base + offset;
}

static inline offset_t arena_offset(const struct arena *arena, const void *address)
{
    return (offset_t)((const char *)address - arena->mapping.base);
}

static inline void *block_payload(struct block *block)
{
    return block + 1;
}

static inline struct block *block_of(void *payload)
{
    return (struct block *)payload - 1;
}

static inline uint64_t word_get(word_t *word)
{
    return atomic_load_explicit(word, memory_order_relaxed);
}

#endif
