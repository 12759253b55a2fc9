#include "block.h"

#include "../crash_point.h"
#include "../os/memory_room.h"
#include "../os/pages.h"
#include "journal.h"
#include "size_class.h"

/* The file grows by an eighth of itself, within these bounds: fewer calls, little unused. */
#define SMALLEST_GROWTH (UINT64_C(256) << 10)
#define LARGEST_GROWTH (UINT64_C(64) << 20)

/* So much is committed only after a look whether it can be had: see memory_room.h. */
#define LARGE_COMMIT (UINT64_C(4) << 20)

/* Large free blocks keep up to this much memory in all: fresh pages cost six times the copy. */
#define WARM_LIMIT (UINT64_C(256) << 20)

static struct block_ops ops[BLOCK_KINDS];

void block_set_ops(enum block_kind kind, struct block_ops of_kind)
{
    ops[kind] = of_kind;
}

/* ---- taking */

/* Commits [from, to), unless memory is short; *is_short* says to look though it is little. */
static enum status commit(struct arena *arena, uint64_t from, uint64_t to, bool is_short)
{
    if ((is_short || to - from >= LARGE_COMMIT) && !memory_has_room(to - from))
        return STATUS_NO_MEMORY;
    return pages_commit(&arena->mapping, from, to);
}

static enum status make_room(struct arena *arena, uint64_t end)
{
    struct arena_header *header = arena->header;
    uint64_t committed = word_get(&header->committed);
    if (end <= committed)
        return STATUS_OK;
    if (end > header->reserve)
        return STATUS_NO_MEMORY;
    uint64_t growth = committed / 8;
    growth = growth < SMALLEST_GROWTH ? SMALLEST_GROWTH : growth;
    growth = growth > LARGEST_GROWTH ? LARGEST_GROWTH : growth;
    uint64_t target = committed + growth > end ? committed + growth : end;
    target = round_up(target, header->page_bytes);
    target = target > header->reserve ? header->reserve : target;
    enum status status = commit(arena, committed, target, false);
    if (status == STATUS_NO_MEMORY && target > end) {
        target = round_up(end, header->page_bytes); /* then no more than needed */
        status = commit(arena, committed, target, true);
    }
    CRASH_POINT("arena.grow.before_commit");
    /* One store: killed before it, the same pages are committed again, which does no harm. */
    if (status == STATUS_OK)
        atomic_store_explicit(&header->committed, target, memory_order_release);
    CRASH_POINT("arena.grow.committed");
    return status;
}

/* Where a block of *bytes* begins that comes after *top*. */
static uint64_t place_after(uint64_t top, uint64_t bytes)
{
    if (bytes >= LARGE_BLOCK)
        top = round_up(top, LARGE_ALIGNMENT);
    bool straddles = top >> WINDOW_BITS != (top + bytes - 1) >> WINDOW_BITS;
    return straddles && bytes <= IN_ONE_WINDOW ? round_up(top, WINDOW_BYTES) : top;
}

/* A gap must not look like a block that a killed process began: at its start, or where a large one
 * would have begun. */
static void mark_gap(struct arena *arena, uint64_t from, uint64_t to)
{
    uint64_t large = round_up(from, LARGE_ALIGNMENT);
    if (from < to)
        ((struct block *)arena_at(arena, from))->magic = 0;
    if (large < to)
        ((struct block *)arena_at(arena, large))->magic = 0;
}

/* *needed* is how much of it this process will use: it maps no more. */
static enum status stage_new(struct arena *arena, uint32_t size_class, uint32_t type_stable,
                             uint64_t needed, struct block **block)
{
    struct arena_header *header = arena->header;
    uint64_t bytes = size_class_bytes(size_class), top = word_get(&header->top);
    uint64_t start = place_after(top, bytes);
    if (bytes > header->reserve || start > header->reserve - bytes)
        return STATUS_NO_MEMORY;
    enum status status = arena_reach(arena, top, start + needed - top);
    CRASH_POINT("arena.grow.reached");
    if (status == STATUS_OK)
        status = make_room(arena, start + bytes);
    if (status != STATUS_OK)
        return status;
    mark_gap(arena, top, start);
    *block = arena_at(arena, start);
    (*block)->magic = BLOCK_MAGIC; /* no process looks above top */
    (*block)->size_class = (uint16_t)size_class;
    (*block)->type_stable = (uint16_t)type_stable;
    journal_stage(arena, &header->top, start + bytes);
    return STATUS_OK;
}

static enum status stage_reuse(struct arena *arena, word_t *list, struct block *block)
{
    struct arena_header *header = arena->header;
    uint32_t size_class = block->size_class;
    if (size_class_bytes(size_class) >= LARGE_BLOCK) {
        uint64_t bytes = size_class_bytes(size_class);
        if (word_get(&block->cold)) {
            offset_t start = arena_offset(arena, block);
            enum status status = commit(arena, start, start + bytes, false);
            if (status != STATUS_OK)
                return status;
        } else
            journal_stage(arena, &header->warm_bytes, word_get(&header->warm_bytes) - bytes);
    }
    journal_stage(arena, list, word_get(&block->next));
    return STATUS_OK;
}

enum status block_stage_allocate(struct arena *arena, uint64_t size, enum block_kind kind,
                                 struct block **block)
{
    struct arena_header *header = arena->header;
    if (size > header->reserve)
        return STATUS_NO_MEMORY;
    uint64_t needed = size + sizeof(struct block);
    uint32_t size_class = size_class_of(needed), type_stable = type_stable_index(kind);
    word_t *list = &header->free[type_stable][size_class];
    offset_t free = word_get(list);
    enum status status;
    /* A block of which this process cannot have the address space is left to others. */
    if (free && arena_reach(arena, free, needed) == STATUS_OK) {
        *block = arena_at(arena, free);
        status = stage_reuse(arena, list, *block);
    } else
        status = stage_new(arena, size_class, type_stable, needed, block);
    if (status != STATUS_OK)
        return status;
    atomic_store_explicit(&(*block)->unsent, 0, memory_order_relaxed);
    uint64_t serial = word_get(&header->serial) + 1;
    journal_stage(arena, &header->serial, serial);
    journal_stage(arena, &header->used_bytes,
                  word_get(&header->used_bytes) + size_class_bytes(size_class));
    journal_stage(arena, &(*block)->serial, serial);
    journal_stage(arena, &(*block)->kind, kind);
    journal_stage(arena, &(*block)->size, size);
    journal_stage(arena, &(*block)->cold, 0);
    return STATUS_OK;
}

/* ---- freeing */

void block_stage_free(struct arena *arena, struct block *block)
{
    struct arena_header *header = arena->header;
    uint64_t bytes = size_class_bytes(block->size_class);
    if (bytes >= LARGE_BLOCK) {
        uint64_t warm = word_get(&header->warm_bytes) + bytes;
        if (warm > WARM_LIMIT) {
            offset_t start = arena_offset(arena, block);
            /* Before the commit: after a kill in between, the next process discards again. */
            pages_discard(&arena->mapping, start + sizeof *block, start + bytes);
            journal_stage(arena, &block->cold, 1);
        } else
            journal_stage(arena, &header->warm_bytes, warm);
    }
    journal_stage(arena, &header->reclaim_list, word_get(&block->next));
    journal_stage(arena, &header->used_bytes, word_get(&header->used_bytes) - bytes);
    journal_stage(arena, &block->kind, BLOCK_FREE);
    journal_stage(arena, &block->serial, 0);
    word_t *list = &header->free[block->type_stable][block->size_class];
    journal_stage(arena, &block->next, word_get(list));
    journal_stage(arena, list, arena_offset(arena, block));
}

/* ---- what a kind does */

struct block *block_pop_child(struct arena *arena, struct block *block)
{
    uint64_t kind = word_get(&block->kind);
    return kind < BLOCK_KINDS && ops[kind].pop_child ? ops[kind].pop_child(arena, block) : NULL;
}

void block_on_owner_death(struct arena *arena, struct block *block, uint32_t tag)
{
    uint64_t kind = word_get(&block->kind);
    if (kind < BLOCK_KINDS && ops[kind].on_owner_death)
        ops[kind].on_owner_death(arena, block, tag);
}

void block_visit_children(struct arena *arena, struct block *block, child_visitor visit, void *with)
{
    uint64_t kind = word_get(&block->kind);
    if (kind < BLOCK_KINDS && ops[kind].visit_children)
        ops[kind].visit_children(arena, block, visit, with);
}

/* ---- looking */

static bool is_plausible(const struct arena *arena, offset_t offset)
{
    struct arena_header *header = arena->header;
    return offset % CACHE_LINE == 0 && offset >= header->header_bytes + sizeof(struct block) &&
           offset < word_get(&header->top);
}

enum status block_reach(struct arena *arena, offset_t offset)
{
    if (!is_plausible(arena, offset))
        return STATUS_OK;
    enum status status = arena_reach(arena, offset - sizeof(struct block), sizeof(struct block));
    if (status != STATUS_OK)
        return status;
    uint64_t size = word_get(&block_of(arena_at(arena, offset))->size);
    return size > word_get(&arena->header->top) - offset ? STATUS_OK
                                                         : arena_reach(arena, offset, size);
}

void block_require(struct arena *arena, offset_t offset)
{
    if (block_reach(arena, offset) == STATUS_OK)
        return;
    uint64_t size = word_get(&block_of(arena_at(arena, offset))->size);
    for (uint64_t at = 0; at < size; at += WINDOW_BYTES)
        arena_at(arena, offset + at);
    if (size > 0)
        arena_at(arena, offset + size - 1);
}

struct block *block_find(struct arena *arena, offset_t offset, uint64_t serial)
{
    if (!is_plausible(arena, offset))
        return NULL;
    struct block *block = block_of(arena_at(arena, offset));
    bool right = block->magic == BLOCK_MAGIC && word_get(&block->serial) == serial && serial != 0 &&
                 word_get(&block->references) > 0;
    return right ? block : NULL;
}
