#include "reference.h"

#include "../crash_point.h"

/* ---- the count */

enum status reference_stage_new(struct arena *arena, uint64_t size, enum block_kind kind,
                                struct block **block)
{
    enum status status = block_stage_allocate(arena, size, kind, block);
    if (status == STATUS_OK)
        journal_stage(arena, &(*block)->references, 1);
    return status;
}

void reference_stage_add(struct arena *arena, struct block *block)
{
    journal_stage(arena, &block->references, word_get(&block->references) + 1);
}

void reference_stage_release(struct arena *arena, struct block *block)
{
    uint64_t left = word_get(&block->references) - 1;
    journal_stage(arena, &block->references, left);
    if (left == 0) {
        journal_stage(arena, &block->next, word_get(&arena->header->reclaim_list));
        journal_stage(arena, &arena->header->reclaim_list, arena_offset(arena, block));
    }
}

/* Whether this process may go on to blocks that it does not have yet: it has them all, or address
 * space is held back for some. */
static bool has_room(struct arena *arena)
{
    return !atomic_load(&arena->mapping.is_short) || mapping_hold_back(&arena->mapping) ||
           word_get(&arena->header->top) <= atomic_load(&arena->mapping.reach);
}

bool arena_reclaim(struct arena *arena, unsigned steps)
{
    while (steps-- > 0) {
        offset_t first = word_get(&arena->header->reclaim_list);
        if (first == 0 || !has_room(arena) ||
            arena_reach(arena, first, sizeof(struct block)) != STATUS_OK)
            return false;
        struct block *block = arena_at(arena, first), *child = block_pop_child(arena, block);
        if (child)
            reference_stage_release(arena, child);
        else
            block_stage_free(arena, block);
        journal_commit(arena);
    }
    return true;
}

void arena_reclaim_all(struct arena *arena)
{
    bool more = true;
    while (more && word_get(&arena->header->reclaim_list)) {
        arena_lock(arena);
        more = arena_reclaim(arena, RECLAIM_STEPS);
        arena_unlock(arena);
    }
}

/* ---- entries of slots */

static uint32_t part_of(uint32_t entry)
{
    return 31 - (uint32_t)__builtin_clz(entry / REFERENCE_FIRST + 1);
}

static uint32_t part_start(uint32_t part)
{
    return REFERENCE_FIRST * ((1u << part) - 1);
}

static uint32_t part_entries(uint32_t part)
{
    return (uint32_t)REFERENCE_FIRST << part;
}

/* A part may be larger than what lies in one window. */
static word_t *word_of_part(struct arena *arena, offset_t part, uint32_t number)
{
    return arena_at(arena, part + number * sizeof(word_t));
}

static word_t *entry_word(struct arena *arena, uint32_t index, uint32_t entry)
{
    uint32_t part = part_of(entry);
    return word_of_part(arena, word_get(&arena_slot(arena, index)->parts[part]),
                        entry - part_start(part));
}

uint64_t reference_entry(struct arena *arena, uint32_t index, uint32_t entry)
{
    return word_get(entry_word(arena, index, entry));
}

static bool lists(struct arena *arena, const struct handle *handle)
{
    return word_get(&arena_slot(arena, arena->self)->parts[part_of(handle->entry)]) != 0 &&
           word_get(entry_word(arena, arena->self, handle->entry)) == handle->offset;
}

static bool is_used(uint64_t entry_value)
{
    return (entry_value & 1) == 0;
}

static uint64_t unused_before(uint64_t next_free)
{
    return next_free << 1 | 1;
}

/* Adds a part to the slot, its entries linked as unused: one transaction. */
static enum status add_part(struct arena *arena, uint32_t index)
{
    struct slot *slot = arena_slot(arena, index);
    uint32_t part = 0;
    while (part < REFERENCE_PARTS && word_get(&slot->parts[part]))
        part++;
    if (part == REFERENCE_PARTS)
        return STATUS_NO_MEMORY;
    struct block *block;
    uint32_t count = part_entries(part), start = part_start(part);
    enum status status = reference_stage_new(arena, count * sizeof(word_t), BLOCK_REFERENCES,
                                             &block);
    if (status != STATUS_OK)
        return status;
    word_t *words = block_contents(block);
    for (uint32_t i = 0; i < count; i++) /* numbers are stored plus one: 0 means none */
        atomic_store_explicit(&words[i], unused_before(i + 1 < count ? start + i + 2 : 0),
                              memory_order_relaxed);
    journal_stage(arena, &slot->parts[part], arena_offset(arena, words));
    journal_stage(arena, &slot->free_entry, start + 1);
    journal_commit(arena);
    return STATUS_OK;
}

enum status reference_ensure_entry(struct arena *arena, uint32_t index)
{
    return word_get(&arena_slot(arena, index)->free_entry) ? STATUS_OK : add_part(arena, index);
}

uint32_t reference_stage_entry(struct arena *arena, uint32_t index, struct block *block)
{
    struct slot *slot = arena_slot(arena, index);
    uint32_t entry = (uint32_t)word_get(&slot->free_entry) - 1;
    word_t *word = entry_word(arena, index, entry);
    journal_stage(arena, &slot->free_entry, word_get(word) >> 1);
    journal_stage(arena, word, arena_offset(arena, block_contents(block)));
    return entry;
}

void reference_stage_no_entry(struct arena *arena, uint32_t index, uint32_t entry)
{
    struct slot *slot = arena_slot(arena, index);
    journal_stage(arena, entry_word(arena, index, entry),
                  unused_before(word_get(&slot->free_entry)));
    journal_stage(arena, &slot->free_entry, entry + 1);
}

/* ---- handles */

enum status handle_create(struct arena *arena, uint64_t size, enum block_kind kind,
                          void (*fill)(void *contents, uint64_t size, const void *with),
                          const void *with, struct handle *handle)
{
    arena_lock(arena);
    arena_reclaim(arena, RECLAIM_STEPS);
    enum status status = reference_ensure_entry(arena, arena->self);
    struct block *block;
    if (status == STATUS_OK)
        status = reference_stage_new(arena, size, kind, &block);
    if (status == STATUS_OK) {
        if (fill)
            fill(block_contents(block), size, with);
        handle->entry = reference_stage_entry(arena, arena->self, block);
        handle->offset = arena_offset(arena, block_contents(block));
        journal_commit(arena);
    }
    arena_unlock(arena);
    return status;
}

enum status reference_hold(struct arena *arena, uint32_t index, struct block *block,
                           uint32_t *entry)
{
    enum status status = reference_ensure_entry(arena, index);
    if (status == STATUS_OK) {
        *entry = reference_stage_entry(arena, index, block);
        reference_stage_add(arena, block);
        journal_commit(arena);
    }
    return status;
}

enum status handle_attach(struct arena *arena, offset_t offset, uint64_t serial,
                          struct handle *handle)
{
    arena_lock(arena);
    enum status status = block_reach(arena, offset);
    if (status == STATUS_OK) {
        struct block *block = block_find(arena, offset, serial);
        status = block ? reference_hold(arena, arena->self, block, &handle->entry) : STATUS_STALE;
    }
    if (status == STATUS_OK)
        handle->offset = offset;
    arena_unlock(arena);
    return status;
}

void handle_release(struct arena *arena, struct handle *handle)
{
    if (handle->offset == 0)
        return;
    if (!arena_is_own(arena)) { /* it is our parent's */
        handle->offset = 0;
        return;
    }
    arena_lock(arena);
    /* After a fork while other threads worked, the child may have an object that its slot does not
     * list: then there is nothing to release. */
    if (lists(arena, handle)) {
        reference_stage_no_entry(arena, arena->self, handle->entry);
        reference_stage_release(arena, block_of(arena_at(arena, handle->offset)));
        CRASH_POINT("handle.release.before_commit");
        journal_commit(arena);
        CRASH_POINT("handle.release.before_reclaim");
        arena_reclaim(arena, RECLAIM_STEPS);
    }
    arena_unlock(arena);
    handle->offset = 0;
    arena_reclaim_all(arena);
}

uint32_t handle_list(struct arena *arena, uint32_t *entries, uint32_t capacity)
{
    uint32_t count = 0;
    struct slot *slot = arena_slot(arena, arena->self);
    arena_lock(arena);
    for (uint32_t part = 0; part < REFERENCE_PARTS && word_get(&slot->parts[part]); part++)
        for (uint32_t i = 0; i < part_entries(part); i++) {
            uint32_t entry = part_start(part) + i;
            if (!is_used(word_get(entry_word(arena, arena->self, entry))))
                continue;
            if (count < capacity)
                entries[count] = entry;
            count++;
        }
    arena_unlock(arena);
    return count;
}

struct handle handle_at(struct arena *arena, uint32_t entry)
{
    return (struct handle){.offset = word_get(entry_word(arena, arena->self, entry)),
                           .entry = entry};
}

/* ---- whole lists, for the table; the arena is locked */

static bool is_inherited(struct arena *arena, uint64_t entry_value)
{
    return is_used(entry_value) && !word_get(&block_of(arena_at(arena, entry_value))->unsent);
}

/* Copies one part, entry by entry: after a kill in between, the starting slot lists just what it
 * has. An entry that is not inherited is unused in the copy, and so becomes the first of its
 * chain. */
static void copy_part(struct arena *arena, uint32_t from, uint32_t to, uint32_t part,
                      uint64_t *free_entry)
{
    struct slot *source = arena_slot(arena, from), *target = arena_slot(arena, to);
    offset_t have = word_get(&source->parts[part]), give = word_get(&target->parts[part]);
    for (uint32_t i = 0; i < part_entries(part); i++) {
        uint64_t value = word_get(word_of_part(arena, have, i));
        word_t *copy = word_of_part(arena, give, i);
        if (is_inherited(arena, value)) {
            journal_stage(arena, copy, value);
            reference_stage_add(arena, block_of(arena_at(arena, value)));
            journal_commit(arena);
            CRASH_POINT("references.copied_one");
            continue;
        }
        if (is_used(value)) {
            value = unused_before(*free_entry);
            *free_entry = part_start(part) + i + 1;
        }
        atomic_store_explicit(copy, value, memory_order_relaxed);
    }
}

enum status references_copy(struct arena *arena, uint32_t from, uint32_t to)
{
    struct slot *source = arena_slot(arena, from), *target = arena_slot(arena, to);
    uint64_t free_entry = word_get(&source->free_entry);
    for (uint32_t part = 0; part < REFERENCE_PARTS && word_get(&source->parts[part]); part++) {
        enum status status = add_part(arena, to);
        if (status != STATUS_OK)
            return status;
        copy_part(arena, from, to, part, &free_entry);
    }
    /* Only now: until here the unused entries of the new slot were linked otherwise. */
    atomic_store_explicit(&target->free_entry, free_entry, memory_order_relaxed);
    return STATUS_OK;
}

static void release_entry(struct arena *arena, word_t *word, uint32_t tag)
{
    struct block *block = block_of(arena_at(arena, word_get(word)));
    block_on_owner_death(arena, block, tag); /* may be done again by the next reaper */
    journal_stage(arena, word, unused_before(0));
    reference_stage_release(arena, block);
    journal_commit(arena);
    CRASH_POINT("references.released_one");
}

/* How much is done before others may have the arena, in entries looked at: about 50 us. */
enum { RELEASE_BUDGET = 4096, RELEASE_COST = 64 };

/* RELEASED_SOME: the budget is used up, and the part may have more. */
static enum release release_part(struct arena *arena, offset_t part, uint32_t tag,
                                 struct release_progress *progress, int *budget)
{
    for (; progress->entry < part_entries(progress->part); progress->entry++) {
        if (*budget <= 0)
            return RELEASED_SOME;
        if (!has_room(arena))
            return RELEASE_SHORT;
        word_t *word = word_of_part(arena, part, progress->entry);
        bool used = is_used(word_get(word));
        if (used)
            release_entry(arena, word, tag);
        *budget -= used ? RELEASE_COST : 1;
    }
    return RELEASED_ALL;
}

static enum release release_parts(struct arena *arena, uint32_t index, uint32_t tag,
                                  struct release_progress *progress)
{
    struct slot *slot = arena_slot(arena, index);
    int budget = RELEASE_BUDGET;
    for (; progress->part < REFERENCE_PARTS; progress->part++, progress->entry = 0) {
        offset_t at = word_get(&slot->parts[progress->part]);
        if (at == 0) /* or another reaper has released it */
            continue;
        enum release done = release_part(arena, at, tag, progress, &budget);
        if (done != RELEASED_ALL)
            return done;
        journal_stage(arena, &slot->parts[progress->part], 0);
        reference_stage_release(arena, block_of(arena_at(arena, at)));
        journal_commit(arena);
    }
    return RELEASED_ALL;
}

enum release references_release(struct arena *arena, uint32_t index, uint32_t tag,
                                struct release_progress *progress)
{
    enum release done = release_parts(arena, index, tag, progress);
    arena_reclaim(arena, RECLAIM_STEPS);
    return done;
}
