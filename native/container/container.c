#include "container.h"

#include <string.h>

#include "../crash_point.h"
#include "../shm/overflow.h"

/* ---- the block */

static void fill(void *memory, uint64_t size, const void *with)
{
    memset(memory, 0, size);
    struct container *container = memory;
    const struct arena *arena = with;
    mutex_init(&container->mutex);
    /* The arena's random name, and a number that no other container has. */
    memcpy(container->seed, arena->header->id, sizeof container->seed);
    container->seed[0] ^= word_get(&arena->header->serial);
}

enum status container_create(struct arena *arena, struct handle *handle)
{
    return handle_create(arena, sizeof(struct container), BLOCK_CONTAINER, fill, arena, handle);
}

static struct block *pop_child(struct arena *arena, struct block *block)
{
    struct container *container = block_contents(block);
    return overflow_pop_child(arena, container->links, CONTAINER_LINKS);
}

static void visit_children(struct arena *arena, struct block *block, child_visitor visit,
                           void *with)
{
    (void)arena;
    struct container *container = block_contents(block);
    overflow_visit_children(container->links, CONTAINER_LINKS, visit, with);
}

void container_register(void)
{
    entries_register();
    block_set_ops(BLOCK_CONTAINER,
                  (struct block_ops){.pop_child = pop_child, .visit_children = visit_children});
}

/* ---- the mutex */

void container_lock(struct arena *arena, struct container *container)
{
    if (mutex_lock(&container->mutex) != MUTEX_ABANDONED)
        return;
    arena_lock(arena); /* its repair comes first: the journal may hold words of ours */
    arena_unlock(arena);
    block_require(arena, word_get(&container->links[CONTAINER_PENDING]));
    block_require(arena, word_get(&container->links[CONTAINER_TABLE]));
    container_finish_pending(arena, container);
    container_release_scratch(arena, container);
    CRASH_POINT("container.repaired");
    mutex_repaired(&container->mutex);
}

void container_unlock(struct container *container)
{
    CRASH_POINT("container.before_unlock");
    mutex_unlock(&container->mutex);
}

void container_commit(struct arena *arena)
{
    CRASH_POINT("container.before_commit");
    journal_commit(arena);
    CRASH_POINT("container.committed");
    arena_reclaim(arena, RECLAIM_STEPS);
}

/* ---- tables */

enum status container_table(struct arena *arena, struct container *container,
                            struct entry_table **table)
{
    offset_t offset = word_get(&container->links[CONTAINER_TABLE]);
    enum status status = block_reach(arena, offset);
    *table = NULL;
    if (status != STATUS_OK)
        return status;
    *table = offset ? entries_at(arena, offset) : NULL;
    return offset && *table == NULL ? STATUS_CORRUPT : STATUS_OK;
}

static enum status add_table(struct arena *arena, word_t *link, const struct entries_plan *plan,
                             uint64_t bytes, struct entry_table **table)
{
    struct block *block;
    enum status status = reference_stage_new(arena, bytes, BLOCK_ENTRY_TABLE, &block);
    if (status != STATUS_OK)
        return status;
    *table = block_contents(block);
    entries_init(*table, bytes, plan);
    journal_stage(arena, link, arena_offset(arena, *table));
    container_commit(arena);
    return STATUS_OK;
}

enum status container_add_table(struct arena *arena, struct container *container,
                                enum container_link link, const struct entries_plan *plan,
                                struct entry_table **table)
{
    uint64_t bytes = entries_bytes(plan);
    if (bytes == 0)
        return STATUS_NO_MEMORY;
    arena_lock(arena);
    arena_reclaim(arena, RECLAIM_STEPS);
    enum status status = add_table(arena, &container->links[link], plan, bytes, table);
    arena_unlock(arena);
    return status;
}

void container_stage_swap(struct arena *arena, struct container *container)
{
    offset_t old = word_get(&container->links[CONTAINER_TABLE]);
    offset_t new = word_get(&container->links[CONTAINER_SCRATCH]);
    if (old)
        journal_stage(arena, &((struct entry_table *)arena_at(arena, old))->owns, 0);
    journal_stage(arena, &((struct entry_table *)arena_at(arena, new))->owns, 1);
    journal_stage(arena, &container->links[CONTAINER_TABLE], new);
    journal_stage(arena, &container->links[CONTAINER_SCRATCH], old);
}

enum status container_replace_table(struct arena *arena, struct container *container,
                                    struct entry_table *table, const struct entries_plan *plan)
{
    struct entry_table *scratch;
    enum status status = container_add_table(arena, container, CONTAINER_SCRATCH, plan, &scratch);
    if (status != STATUS_OK)
        return status;
    index_build(scratch, table);
    CRASH_POINT("container.replace_table.built");
    arena_lock(arena);
    container_stage_swap(arena, container);
    container_commit(arena);
    arena_unlock(arena);
    container_release_scratch(arena, container);
    return STATUS_OK;
}

static void release_link(struct arena *arena, word_t *link)
{
    if (word_get(link) == 0)
        return;
    arena_lock(arena);
    struct block *block = block_of(arena_at(arena, word_get(link)));
    journal_stage(arena, link, 0);
    reference_stage_release(arena, block);
    container_commit(arena);
    arena_unlock(arena);
}

void container_release_scratch(struct arena *arena, struct container *container)
{
    release_link(arena, &container->links[CONTAINER_SCRATCH]);
    release_link(arena, &container->links[CONTAINER_REMOVED]);
}

/* ---- the pending batch */

/* Stages one step: the item of a batch's entry goes to its entry in the table; the one that was
 * there comes to the batch. */
static enum status stage_step(struct arena *arena, struct entry_table *table,
                              struct entry_table *batch, uint64_t number)
{
    struct entry *from = &batch->entries[number];
    offset_t offset = word_get(&from->item);
    struct item *item = item_at(arena, offset);
    if (item == NULL)
        return STATUS_CORRUPT;
    struct item_key key = {item->bytes, item->key_bytes, item->form_bytes, from->hash};
    struct lookup lookup;
    enum status status = index_find(arena, table, &key, &lookup);
    if (status == STATUS_CORRUPT ||
        (status == STATUS_MISSING && word_get(&table->used) == table->capacity))
        return STATUS_CORRUPT;
    if (status == STATUS_OK) {
        journal_stage(arena, &from->item, arena_offset(arena, lookup.item));
        journal_stage(arena, &table->entries[lookup.entry].item, offset);
    } else {
        journal_stage(arena, &from->item, 0);
        index_stage_new(arena, table, &lookup, offset, from->hash);
    }
    journal_stage(arena, &batch->done, number + 1);
    return STATUS_OK;
}

static enum status carry_out(struct arena *arena, struct entry_table *table,
                             struct entry_table *batch)
{
    enum status status = STATUS_OK;
    while (status == STATUS_OK && word_get(&batch->done) < word_get(&batch->used)) {
        arena_lock(arena);
        status = stage_step(arena, table, batch, word_get(&batch->done));
        if (status == STATUS_OK)
            container_commit(arena);
        arena_unlock(arena);
    }
    return status;
}

enum status container_finish_pending(struct arena *arena, struct container *container)
{
    offset_t pending = word_get(&container->links[CONTAINER_PENDING]);
    if (pending == 0)
        return STATUS_OK;
    struct entry_table *table, *batch = entries_at(arena, pending);
    enum status status = container_table(arena, container, &table);
    if (status == STATUS_OK)
        status = batch && table && table->cells ? carry_out(arena, table, batch) : STATUS_CORRUPT;
    release_link(arena, &container->links[CONTAINER_PENDING]);
    return status;
}

/* ---- the whole container */

uint64_t container_count(struct arena *arena, struct container *container, uint64_t *version)
{
    struct entry_table *table;
    container_lock(arena, container);
    if (container_table(arena, container, &table) == STATUS_NO_MEMORY) /* its head has room */
        table = arena_at(arena, word_get(&container->links[CONTAINER_TABLE]));
    uint64_t count = table ? word_get(&table->count) : 0;
    if (version)
        *version = word_get(&container->version);
    container_unlock(container);
    return count;
}

/* The table goes with its items, which it owns; they are reclaimed step by step. */
static void clear_locked(struct arena *arena, struct container *container)
{
    offset_t table = word_get(&container->links[CONTAINER_TABLE]);
    if (table == 0)
        return;
    arena_lock(arena);
    journal_stage(arena, &container->links[CONTAINER_TABLE], 0);
    journal_stage(arena, &container->version, word_get(&container->version) + 1);
    reference_stage_release(arena, block_of(arena_at(arena, table)));
    container_commit(arena);
    arena_unlock(arena);
}

enum status container_clear(struct arena *arena, struct container *container)
{
    struct entry_table *table;
    container_lock(arena, container);
    enum status status = container_table(arena, container, &table);
    if (status == STATUS_OK)
        clear_locked(arena, container);
    container_unlock(container);
    arena_reclaim_all(arena);
    return status;
}
