/* The invariants checked here are stated in layout.h, block.h, reference.h and process_table.h. */
#include "check.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "process_table.h"
#include "size_class.h"

enum list { ON_NO_LIST, ON_FREE_LIST, ON_RECLAIM_LIST };

struct finding { /* what we know of one block */
    offset_t at;
    enum list list;
    uint64_t references; /* as counted by us */
};

enum { PROBLEMS_KEPT = 50, PROBLEM_BYTES = 200 };

struct check {
    struct arena *arena;
    unsigned problems;
    char texts[PROBLEMS_KEPT][PROBLEM_BYTES]; /* passed on when the mutex is no longer held */
    struct finding *blocks;                   /* in the order of their offsets */
    size_t count, capacity;
};

static __attribute__((format(printf, 2, 3))) void complain(struct check *check, const char *format,
                                                           ...)
{
    if (check->problems < PROBLEMS_KEPT) {
        va_list arguments;
        va_start(arguments, format);
        vsnprintf(check->texts[check->problems], PROBLEM_BYTES, format, arguments);
        va_end(arguments);
    }
    check->problems++;
}

static struct block *block_at(struct check *check, offset_t at)
{
    return arena_at(check->arena, at);
}

static unsigned long long number(word_t *word)
{
    return word_get(word);
}

/* ---- all blocks, in order */

static bool add_block(struct check *check, offset_t at)
{
    if (check->count == check->capacity) {
        size_t capacity = check->capacity ? 2 * check->capacity : 1024;
        struct finding *blocks = realloc(check->blocks, capacity * sizeof *blocks);
        if (blocks == NULL)
            return false;
        check->blocks = blocks;
        check->capacity = capacity;
    }
    check->blocks[check->count++] = (struct finding){.at = at};
    return true;
}

/* Where a block may begin after a gap that begins at *at*: see place_after() of block.c. */
static uint64_t gap_end(uint64_t at)
{
    uint64_t large = round_up(at, LARGE_ALIGNMENT);
    return large > at ? large : round_up(at + 1, WINDOW_BYTES);
}

static bool collect_blocks(struct check *check)
{
    struct arena_header *header = check->arena->header;
    uint64_t top = word_get(&header->top), at = header->header_bytes;
    if (top > word_get(&header->committed) || word_get(&header->committed) > header->reserve)
        complain(check, "top, committed and reserve are out of order");
    while (at < top) {
        struct block *block = block_at(check, at);
        if (block->magic != BLOCK_MAGIC && gap_end(at) < top) {
            at = gap_end(at);
            continue;
        }
        if (block->magic != BLOCK_MAGIC || block->size_class >= SIZE_CLASSES ||
            block->type_stable > TYPE_STABLE_KINDS) {
            complain(check, "no block at %#llx, where one should be", (unsigned long long)at);
            return false;
        }
        if (!add_block(check, at)) {
            complain(check, "no memory for the check");
            return false;
        }
        at += size_class_bytes(block->size_class);
    }
    if (at != top)
        complain(check, "the last block ends at %#llx, not at top", (unsigned long long)at);
    return at == top;
}

static struct finding *find(struct check *check, offset_t at)
{
    size_t low = 0, high = check->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (check->blocks[middle].at < at)
            low = middle + 1;
        else
            high = middle;
    }
    return low < check->count && check->blocks[low].at == at ? &check->blocks[low] : NULL;
}

/* ---- the free lists and the list of blocks to be reclaimed */

static void walk_list(struct check *check, offset_t at, enum list list, uint32_t type_stable,
                      uint32_t size_class)
{
    while (at) {
        struct finding *finding = find(check, at);
        if (finding == NULL || finding->list != ON_NO_LIST) {
            complain(check, "%#llx is on a list %s", (unsigned long long)at,
                     finding ? "twice" : "but is no block");
            return;
        }
        struct block *block = block_at(check, at);
        finding->list = list;
        if (list == ON_FREE_LIST &&
            (block->size_class != size_class || block->type_stable != type_stable))
            complain(check, "a free block of class %u, %u is on the list of class %u, %u",
                     block->type_stable, block->size_class, type_stable, size_class);
        at = word_get(&block->next);
    }
}

/* ---- references */

static void count_reference(struct check *check, offset_t offset, const char *whose)
{
    struct finding *finding = find(check, offset - sizeof(struct block));
    if (finding)
        finding->references++;
    else
        complain(check, "%s names %#llx, which is no block", whose, (unsigned long long)offset);
}

static void visit_owned(void *with, offset_t offset)
{
    count_reference(with, offset, "a block");
}

static void count_owned(struct check *check)
{
    for (size_t i = 0; i < check->count; i++) {
        struct block *block = block_at(check, check->blocks[i].at);
        if (check->blocks[i].list != ON_FREE_LIST)
            block_visit_children(check->arena, block, visit_owned, check);
    }
}

/* ---- slots */

static uint32_t entries_of(struct check *check, uint32_t index, uint32_t *unused)
{
    struct slot *slot = arena_slot(check->arena, index);
    uint32_t all = 0;
    for (uint32_t part = 0; part < REFERENCE_PARTS; part++) {
        offset_t at = word_get(&slot->parts[part]);
        if (at == 0)
            continue;
        uint32_t entries = (uint32_t)REFERENCE_FIRST << part;
        count_reference(check, at, "a slot's list");
        for (uint32_t i = 0; i < entries; i++) {
            uint64_t value = word_get((word_t *)arena_at(check->arena, at + i * sizeof(word_t)));
            if ((value & 1) == 0)
                count_reference(check, value, "a slot's entry");
            else
                ++*unused;
        }
        all += entries;
    }
    return all;
}

/* The chain of unused entries has each of them once: so many steps, then its end. */
static void check_chain(struct check *check, uint32_t index, uint32_t all, uint32_t unused)
{
    uint64_t next = word_get(&arena_slot(check->arena, index)->free_entry);
    uint32_t steps = 0;
    while (next != 0 && next <= all && steps <= unused) {
        uint64_t value = reference_entry(check->arena, index, (uint32_t)next - 1);
        if ((value & 1) == 0)
            break;
        next = value >> 1;
        steps++;
    }
    if (next != 0 || steps != unused)
        complain(check, "slot %u has %u unused entries, its chain %u%s", index, unused, steps,
                 next ? " and leaves the list" : "");
}

static void check_slots(struct check *check)
{
    struct arena_header *header = check->arena->header;
    uint64_t used = word_get(&header->slots_used), free = 0, listed = 0;
    if (used > SLOT_COUNT)
        complain(check, "%llu slots are used", (unsigned long long)used);
    for (uint32_t i = 0; i < used && i < SLOT_COUNT; i++) {
        uint32_t unused = 0, all = entries_of(check, i, &unused);
        enum slot_state state = word_get(&arena_slot(check->arena, i)->state) & 0xff;
        free += state == SLOT_FREE;
        if (state == SLOT_FREE && all > 0)
            complain(check, "slot %u is free and has a list", i);
        if (state == SLOT_LIVE)
            check_chain(check, i, all, unused);
    }
    uint64_t heads[] = {word_get(&header->free_slot), word_get(&header->worn_slot)};
    for (unsigned list = 0; list < 2; list++)
        for (uint64_t at = heads[list]; at && listed <= free; listed++) {
            struct slot *slot = arena_slot(check->arena, (uint32_t)at - 1);
            if (at > used || (word_get(&slot->state) & 0xff) != SLOT_FREE)
                complain(check, "slot %llu is on the free list", (unsigned long long)at - 1);
            at = word_get(&slot->next_free);
        }
    if (listed != free)
        complain(check, "%llu slots are free, %llu on the list", (unsigned long long)free,
                 (unsigned long long)listed);
}

/* ---- each block, and the sums */

static void check_block(struct check *check, const struct finding *finding)
{
    struct block *block = block_at(check, finding->at);
    unsigned long long at = finding->at, said = number(&block->references);
    if (said != finding->references)
        complain(check, "block %#llx of kind %llu counts %llu references and has %llu", at,
                 number(&block->kind), said, (unsigned long long)finding->references);
    if ((finding->list == ON_NO_LIST) != (said > 0))
        complain(check, "block %#llx with %llu references is %s", at, said,
                 finding->list == ON_NO_LIST     ? "nowhere"
                 : finding->list == ON_FREE_LIST ? "on a free list"
                                                 : "on the list of blocks to be reclaimed");
    bool free = finding->list == ON_FREE_LIST;
    if (free != (word_get(&block->kind) == BLOCK_FREE) || free != (word_get(&block->serial) == 0))
        complain(check, "block %#llx has kind %llu and serial %llu where it is", at,
                 number(&block->kind), number(&block->serial));
    if (!free && block->type_stable != type_stable_index(word_get(&block->kind)))
        complain(check, "block %#llx of kind %llu has memory of class %u", at, number(&block->kind),
                 block->type_stable);
    if (!free && word_get(&block->size) + sizeof *block > size_class_bytes(block->size_class))
        complain(check, "block %#llx is larger than its class", at);
    if (word_get(&block->serial) > word_get(&check->arena->header->serial))
        complain(check, "block %#llx has a serial from the future", at);
}

static void check_blocks(struct check *check)
{
    uint64_t used = 0, warm = 0;
    for (size_t i = 0; i < check->count; i++) {
        struct block *block = block_at(check, check->blocks[i].at);
        uint64_t bytes = size_class_bytes(block->size_class);
        check_block(check, &check->blocks[i]);
        if (check->blocks[i].list != ON_FREE_LIST)
            used += bytes;
        else if (bytes >= LARGE_BLOCK && !word_get(&block->cold))
            warm += bytes;
    }
    struct arena_header *header = check->arena->header;
    if (used != word_get(&header->used_bytes))
        complain(check, "%llu bytes are used, %llu are said to be", (unsigned long long)used,
                 number(&header->used_bytes));
    if (warm != word_get(&header->warm_bytes))
        complain(check, "%llu bytes are warm, %llu are said to be", (unsigned long long)warm,
                 number(&header->warm_bytes));
}

static void look_at_all(struct check *check)
{
    struct arena_header *header = check->arena->header;
    if (!collect_blocks(check))
        return;
    for (uint32_t i = 0; i <= TYPE_STABLE_KINDS; i++)
        for (uint32_t j = 0; j < SIZE_CLASSES; j++)
            walk_list(check, word_get(&header->free[i][j]), ON_FREE_LIST, i, j);
    walk_list(check, word_get(&header->reclaim_list), ON_RECLAIM_LIST, 0, 0);
    check_slots(check);
    count_owned(check);
    check_blocks(check);
}

unsigned arena_check(struct arena *arena, void (*say)(void *with, const char *problem), void *with)
{
    struct check check = {.arena = arena};
    arena_lock(arena);
    look_at_all(&check);
    arena_unlock(arena);
    free(check.blocks);
    for (unsigned i = 0; i < check.problems && i < PROBLEMS_KEPT; i++)
        say(with, check.texts[i]);
    return check.problems;
}
