#include "dict.h"

#include "../crash_point.h"

/* ---- finding */

static enum status find(struct arena *arena, struct container *container,
                        const struct item_key *key, struct entry_table **table,
                        struct lookup *lookup)
{
    lookup->item = NULL;
    enum status status = container_table(arena, container, table);
    if (status != STATUS_OK)
        return status;
    if (*table == NULL)
        return STATUS_MISSING;
    return (*table)->cells ? index_find(arena, *table, key, lookup) : STATUS_CORRUPT;
}

enum status dict_get(struct arena *arena, struct container *container, const struct item_key *key,
                     struct message *out)
{
    struct entry_table *table;
    struct lookup lookup;
    container_lock(arena, container);
    enum status status = find(arena, container, key, &table, &lookup);
    if (status == STATUS_OK && out)
        status = item_read(arena, lookup.item, out);
    container_unlock(container);
    return status;
}

/* ---- setting */

/* Makes room for *more* further keys. The table may be another one afterwards. */
static enum status make_room(struct arena *arena, struct container *container, uint64_t more,
                             struct entry_table **table)
{
    if (*table && more <= (*table)->capacity - word_get(&(*table)->used))
        return STATUS_OK;
    uint64_t count = *table ? word_get(&(*table)->count) : 0;
    struct entries_plan plan = index_plan(count + count / 2 + more);
    enum status status = container_replace_table(arena, container, *table, &plan);
    return status == STATUS_OK ? container_table(arena, container, table) : status;
}

/* One transaction: an item is made and linked, and the one that it replaces is released. */
static enum status link_item(struct arena *arena, struct entry_table *table,
                             const struct lookup *lookup, const struct item_key *key,
                             const struct message *message)
{
    offset_t item;
    struct item_key same = *key;
    if (lookup->item) { /* the first of equal keys stays, as in a dict */
        same.bytes = lookup->item->bytes;
        same.form_bytes = lookup->item->form_bytes;
    }
    enum status status = item_stage(arena, &same, message, &item);
    if (status != STATUS_OK)
        return status;
    if (lookup->item) {
        journal_stage(arena, &table->entries[lookup->entry].item, item);
        reference_stage_release(arena, block_of(lookup->item));
    } else
        index_stage_new(arena, table, lookup, item, key->hash);
    container_commit(arena);
    return STATUS_OK;
}

/* *lookup* is what find() has found: the key, or where it is missing. */
static enum status set_at(struct arena *arena, struct container *container,
                          struct entry_table *table, struct lookup *lookup,
                          const struct item_key *key, const struct message *message)
{
    enum status status = STATUS_OK;
    if (lookup->item == NULL) {
        struct entry_table *before = table;
        status = make_room(arena, container, 1, &table);
        if (status == STATUS_OK && table != before &&
            index_find(arena, table, key, lookup) != STATUS_MISSING)
            status = STATUS_CORRUPT;
    }
    if (status != STATUS_OK)
        return status;
    arena_lock(arena);
    arena_reclaim(arena, RECLAIM_STEPS);
    status = link_item(arena, table, lookup, key, message);
    arena_unlock(arena);
    return status;
}

enum status dict_set(struct arena *arena, struct container *container, const struct item_key *key,
                     const struct message *message)
{
    struct entry_table *table;
    struct lookup lookup;
    container_lock(arena, container);
    enum status status = find(arena, container, key, &table, &lookup);
    if (status == STATUS_OK || status == STATUS_MISSING)
        status = set_at(arena, container, table, &lookup, key, message);
    container_unlock(container);
    return status;
}

enum status dict_set_default(struct arena *arena, struct container *container,
                             const struct item_key *key, const struct message *message,
                             struct message *out)
{
    struct entry_table *table;
    struct lookup lookup;
    container_lock(arena, container);
    enum status status = find(arena, container, key, &table, &lookup);
    if (status == STATUS_OK)
        status = item_read(arena, lookup.item, out);
    else if (status == STATUS_MISSING) {
        status = set_at(arena, container, table, &lookup, key, message);
        status = status == STATUS_OK ? STATUS_MISSING : status;
    }
    container_unlock(container);
    return status;
}

/* ---- removing */

static void unlink_item(struct arena *arena, struct entry_table *table, uint64_t number,
                        struct item *item)
{
    struct entry *entry = &table->entries[number];
    arena_lock(arena);
    journal_stage(arena, &entry->item, 0);
    journal_stage(arena, &table->count, word_get(&table->count) - 1);
    if (number + 1 == word_get(&table->tail))
        journal_stage(arena, &table->tail, number);
    reference_stage_release(arena, block_of(item));
    container_commit(arena);
    arena_unlock(arena);
}

enum status dict_pop(struct arena *arena, struct container *container, const struct item_key *key,
                     struct message *out)
{
    struct entry_table *table;
    struct lookup lookup;
    container_lock(arena, container);
    enum status status = find(arena, container, key, &table, &lookup);
    if (status == STATUS_OK &&
        out) /* after a kill behind it the handle is released, the key stays */
        status = item_read(arena, lookup.item, out);
    CRASH_POINT("dict.pop.read");
    if (status == STATUS_OK)
        unlink_item(arena, table, lookup.entry, lookup.item);
    container_unlock(container);
    return status;
}

static enum status take_last_locked(struct arena *arena, struct container *container,
                                    struct snapshot *out)
{
    struct entry_table *table;
    enum status status = container_table(arena, container, &table);
    if (status != STATUS_OK || table == NULL || word_get(&table->count) == 0)
        return status == STATUS_OK ? STATUS_MISSING : status;
    uint64_t tail = word_get(&table->tail);
    if (tail > word_get(&table->used))
        return STATUS_CORRUPT;
    while (tail > 0 && word_get(&table->entries[tail - 1].item) == 0)
        tail--;
    struct item *item = tail ? item_at(arena, word_get(&table->entries[tail - 1].item)) : NULL;
    if (item == NULL)
        return STATUS_CORRUPT;
    status = snapshot_take_one(arena, item, out);
    CRASH_POINT("dict.pop_last.read");
    if (status != STATUS_OK)
        return status;
    /* All entries behind it are empty: noted here, so that they are not looked at again. */
    atomic_store_explicit(&table->tail, tail, memory_order_relaxed);
    unlink_item(arena, table, tail - 1, item);
    return STATUS_OK;
}

enum status dict_pop_last(struct arena *arena, struct container *container, struct snapshot *out)
{
    container_lock(arena, container);
    enum status status = take_last_locked(arena, container, out);
    container_unlock(container);
    return status;
}

/* ---- many keys */

/* The batch passes from this process to the container: that is the commit of all its items. */
static void hand_over(struct arena *arena, struct container *container, const struct handle *batch)
{
    arena_lock(arena);
    reference_stage_no_entry(arena, arena->self, batch->entry);
    journal_stage(arena, &block_of(arena_at(arena, batch->offset))->unsent, 0);
    journal_stage(arena, &container->links[CONTAINER_PENDING], batch->offset);
    container_commit(arena);
    arena_unlock(arena);
}

enum status dict_update(struct arena *arena, struct container *container, struct handle *batch)
{
    struct entry_table *table, *batch_table = arena_at(arena, batch->offset);
    container_lock(arena, container);
    enum status status = container_table(arena, container, &table);
    if (status == STATUS_OK)
        status = make_room(arena, container, word_get(&batch_table->used), &table);
    if (status == STATUS_OK) {
        hand_over(arena, container, batch);
        batch->offset = 0;
        CRASH_POINT("dict.update.committed");
        status = container_finish_pending(arena, container);
    }
    container_unlock(container);
    arena_reclaim_all(arena);
    return status;
}
