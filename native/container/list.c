#include "list.h"

#include "../crash_point.h"

enum { FEWEST_ENTRIES = 4 };

static struct entries_plan plan_for(uint64_t count)
{
    return (struct entries_plan){.capacity = count < FEWEST_ENTRIES ? FEWEST_ENTRIES : count};
}

static uint64_t length_of(struct entry_table *table)
{
    return table ? word_get(&table->used) : 0;
}

static void stage_version(struct arena *arena, struct container *container)
{
    journal_stage(arena, &container->version, word_get(&container->version) + 1);
}

static void stage_length(struct arena *arena, struct entry_table *table, uint64_t length)
{
    journal_stage(arena, &table->used, length);
    journal_stage(arena, &table->count, length);
}

/* ---- one item */

/* Finds the entry and its item. */
static enum status find(struct arena *arena, struct container *container, int64_t position,
                        struct entry_table **table, struct lookup *lookup)
{
    enum status status = container_table(arena, container, table);
    if (status != STATUS_OK)
        return status;
    uint64_t length = length_of(*table);
    lookup->entry = (uint64_t)(position < 0 ? position + (int64_t)length : position);
    if (lookup->entry >= length)
        return STATUS_MISSING;
    lookup->item = item_at(arena, word_get(&(*table)->entries[lookup->entry].item));
    return lookup->item ? STATUS_OK : STATUS_CORRUPT;
}

enum status list_get(struct arena *arena, struct container *container, int64_t position,
                     struct message *out)
{
    struct entry_table *table;
    struct lookup lookup;
    container_lock(arena, container);
    enum status status = find(arena, container, position, &table, &lookup);
    if (status == STATUS_OK)
        status = item_read(arena, lookup.item, out);
    container_unlock(container);
    return status;
}

static enum status replace(struct arena *arena, struct container *container, struct entry *entry,
                           struct item *old, const struct message *message)
{
    offset_t item;
    enum status status = item_stage(arena, NULL, message, &item);
    if (status != STATUS_OK)
        return status;
    journal_stage(arena, &entry->item, item);
    stage_version(arena, container);
    reference_stage_release(arena, block_of(old));
    container_commit(arena);
    return STATUS_OK;
}

enum status list_set(struct arena *arena, struct container *container, int64_t position,
                     const struct message *message)
{
    struct entry_table *table;
    struct lookup lookup;
    container_lock(arena, container);
    enum status status = find(arena, container, position, &table, &lookup);
    if (status == STATUS_OK) {
        arena_lock(arena);
        arena_reclaim(arena, RECLAIM_STEPS);
        status = replace(arena, container, &table->entries[lookup.entry], lookup.item, message);
        arena_unlock(arena);
    }
    container_unlock(container);
    return status;
}

/* ---- at the end */

static enum status make_room(struct arena *arena, struct container *container, uint64_t more,
                             struct entry_table **table)
{
    uint64_t length = length_of(*table);
    if (*table && more <= (*table)->capacity - length)
        return STATUS_OK;
    struct entries_plan plan = plan_for(length + length / 2 + more);
    enum status status = container_replace_table(arena, container, *table, &plan);
    return status == STATUS_OK ? container_table(arena, container, table) : status;
}

static enum status link_at_end(struct arena *arena, struct container *container,
                               struct entry_table *table, const struct message *message)
{
    uint64_t length = length_of(table);
    offset_t item;
    enum status status = item_stage(arena, NULL, message, &item);
    if (status != STATUS_OK)
        return status;
    journal_stage(arena, &table->entries[length].item, item);
    stage_length(arena, table, length + 1);
    stage_version(arena, container);
    container_commit(arena);
    return STATUS_OK;
}

enum status list_append(struct arena *arena, struct container *container,
                        const struct message *message)
{
    struct entry_table *table;
    container_lock(arena, container);
    enum status status = container_table(arena, container, &table);
    if (status == STATUS_OK)
        status = make_room(arena, container, 1, &table);
    if (status == STATUS_OK) {
        arena_lock(arena);
        arena_reclaim(arena, RECLAIM_STEPS);
        status = link_at_end(arena, container, table, message);
        arena_unlock(arena);
    }
    container_unlock(container);
    return status;
}

static void unlink_last(struct arena *arena, struct container *container, struct entry_table *table,
                        struct item *item)
{
    uint64_t length = length_of(table);
    arena_lock(arena);
    journal_stage(arena, &table->entries[length - 1].item, 0);
    stage_length(arena, table, length - 1);
    stage_version(arena, container);
    reference_stage_release(arena, block_of(item));
    container_commit(arena);
    arena_unlock(arena);
}

/* ---- many items: the new order is written down first, then one transaction makes it valid */

struct splice {
    struct entry_table *old, *batch; /* batch NULL: none */
    struct list_range range;
    uint64_t taken; /* of the old items */
    uint64_t added;
    bool assigns;    /* rather than deletes */
    bool extended;   /* the range has a step, so that each position is replaced by one item */
    bool descending; /* the first item of the batch is for the last position of the range */
};

static void put_at(struct entry_table *table, uint64_t entry, const struct entry *from)
{
    table->entries[entry].hash = from->hash;
    atomic_store_explicit(&table->entries[entry].item, word_get((word_t *)&from->item),
                          memory_order_relaxed);
}

static void set_length(struct entry_table *table, uint64_t length)
{
    atomic_store_explicit(&table->used, length, memory_order_relaxed);
    atomic_store_explicit(&table->count, length, memory_order_relaxed);
}

/* The item that replaces the range's position *number*. */
static const struct entry *replacement(const struct splice *splice, uint64_t number)
{
    return &splice->batch->entries[splice->descending ? splice->added - 1 - number : number];
}

/* Writes the new order, and the items that it leaves out. */
static void lay_out(const struct splice *splice, struct entry_table *scratch,
                    struct entry_table *removed)
{
    uint64_t start = (uint64_t)splice->range.start, step = (uint64_t)splice->range.step;
    uint64_t kept = 0, out = 0;
    for (uint64_t i = 0; i < length_of(splice->old); i++) {
        const struct entry *entry = &splice->old->entries[i];
        for (uint64_t k = 0; !splice->extended && i == start && k < splice->added; k++)
            put_at(scratch, kept++, &splice->batch->entries[k]);
        if (out == splice->taken || i != start + out * step) {
            put_at(scratch, kept++, entry);
            continue;
        }
        if (splice->extended && splice->added)
            put_at(scratch, kept++, replacement(splice, out));
        put_at(removed, out++, entry);
    }
    set_length(scratch, kept);
    if (removed)
        set_length(removed, out);
}

static void commit_splice(struct arena *arena, struct container *container,
                          struct entry_table *batch, struct entry_table *removed)
{
    CRASH_POINT("list.splice.built");
    arena_lock(arena);
    container_stage_swap(arena, container);
    if (removed)
        journal_stage(arena, &removed->owns, 1);
    if (batch)
        journal_stage(arena, &batch->start, word_get(&batch->used));
    stage_version(arena, container);
    container_commit(arena);
    arena_unlock(arena);
    container_release_scratch(arena, container);
}

static enum status rebuild(struct arena *arena, struct container *container,
                           const struct splice *splice)
{
    struct entry_table *scratch, *removed = NULL;
    struct entries_plan plan = plan_for(length_of(splice->old) - splice->taken + splice->added);
    struct entries_plan plan_of_removed = {.capacity = splice->taken};
    enum status status = container_add_table(arena, container, CONTAINER_SCRATCH, &plan, &scratch);
    if (status == STATUS_OK && splice->taken)
        status = container_add_table(arena, container, CONTAINER_REMOVED, &plan_of_removed,
                                     &removed);
    if (status != STATUS_OK) {
        container_release_scratch(arena, container);
        return status;
    }
    lay_out(splice, scratch, removed);
    commit_splice(arena, container, splice->batch, removed);
    return STATUS_OK;
}

/* At the end of the list nothing moves. */
static enum status extend(struct arena *arena, struct container *container,
                          const struct splice *splice)
{
    struct entry_table *table = splice->old;
    enum status status = make_room(arena, container, splice->added, &table);
    if (status != STATUS_OK)
        return status;
    uint64_t length = length_of(table);
    for (uint64_t i = 0; i < splice->added; i++) /* no process looks there before the commit */
        put_at(table, length + i, &splice->batch->entries[i]);
    CRASH_POINT("list.extend.written");
    arena_lock(arena);
    stage_length(arena, table, length + splice->added);
    journal_stage(arena, &splice->batch->start, word_get(&splice->batch->used));
    stage_version(arena, container);
    container_commit(arena);
    arena_unlock(arena);
    return STATUS_OK;
}

/* The same positions, from the first. */
static void make_ascending(struct splice *splice)
{
    struct list_range *range = &splice->range;
    if (range->step > 0 || splice->taken == 0)
        return;
    range->start += ((int64_t)splice->taken - 1) * range->step;
    range->step = -range->step;
    splice->descending = true;
}

static enum status splice_locked(struct arena *arena, struct container *container,
                                 struct splice *splice, uint64_t *taken)
{
    enum status status = container_table(arena, container, &splice->old);
    if (status != STATUS_OK)
        return status;
    uint64_t length = length_of(splice->old);
    *taken = splice->taken = list_range_adjust(&splice->range, length);
    splice->extended = splice->range.step != 1;
    if (splice->extended && splice->assigns && splice->added != splice->taken)
        return STATUS_MISFIT;
    if (splice->taken == 0 && splice->added == 0)
        return STATUS_OK;
    if (splice->taken == 0 && splice->range.start == (int64_t)length)
        return extend(arena, container, splice);
    make_ascending(splice);
    return rebuild(arena, container, splice);
}

enum status list_splice(struct arena *arena, struct container *container, struct list_range range,
                        const struct handle *batch, bool assigns, uint64_t *taken)
{
    struct splice splice = {.range = range, .assigns = assigns};
    if (batch) {
        splice.batch = arena_at(arena, batch->offset);
        splice.added = word_get(&splice.batch->used);
    }
    container_lock(arena, container);
    enum status status = splice_locked(arena, container, &splice, taken);
    container_unlock(container);
    arena_reclaim_all(arena);
    return status;
}

/* ---- removing one */

static enum status take_locked(struct arena *arena, struct container *container, int64_t position,
                               uint64_t version, struct message *out)
{
    struct splice splice = {.taken = 1};
    struct lookup lookup;
    if (version != LIST_ANY_VERSION && version != word_get(&container->version))
        return STATUS_AGAIN;
    enum status status = find(arena, container, position, &splice.old, &lookup);
    if (status == STATUS_OK &&
        out) /* after a kill behind it the handle is released, the item stays */
        status = item_read(arena, lookup.item, out);
    CRASH_POINT("list.pop.read");
    if (status != STATUS_OK)
        return status;
    if (lookup.entry + 1 == length_of(splice.old)) {
        unlink_last(arena, container, splice.old, lookup.item);
        return STATUS_OK;
    }
    splice.range = (struct list_range){(int64_t)lookup.entry, (int64_t)lookup.entry + 1, 1};
    status = rebuild(arena, container, &splice);
    if (status != STATUS_OK && out && out->kind == RECORD_PAYLOAD)
        handle_release(arena, &out->payload);
    return status;
}

enum status list_pop(struct arena *arena, struct container *container, int64_t position,
                     uint64_t version, struct message *out)
{
    container_lock(arena, container);
    enum status status = take_locked(arena, container, position, version, out);
    container_unlock(container);
    return status;
}

/* ---- another order */

/* Copies the entries in their new order. False: that is no order of them. */
static bool lay_in_order(struct entry_table *scratch, struct entry_table *old,
                         const uint64_t *order)
{
    uint64_t length = length_of(old);
    for (uint64_t i = 0; i < length; i++) {
        if (order[i] >= length)
            return false;
        put_at(scratch, i, &old->entries[order[i]]);
    }
    set_length(scratch, length);
    return true;
}

static enum status permute_locked(struct arena *arena, struct container *container,
                                  const uint64_t *order, uint64_t count, uint64_t version)
{
    struct entry_table *old, *scratch;
    enum status status = container_table(arena, container, &old);
    if (status != STATUS_OK)
        return status;
    if (version != word_get(&container->version) || count != length_of(old))
        return STATUS_AGAIN;
    if (count < 2)
        return STATUS_OK;
    struct entries_plan plan = plan_for(count);
    status = container_add_table(arena, container, CONTAINER_SCRATCH, &plan, &scratch);
    if (status != STATUS_OK)
        return status;
    if (lay_in_order(scratch, old, order))
        commit_splice(arena, container, NULL, NULL);
    else {
        container_release_scratch(arena, container);
        status = STATUS_MISFIT;
    }
    return status;
}

enum status list_permute(struct arena *arena, struct container *container, const uint64_t *order,
                         uint64_t count, uint64_t version)
{
    container_lock(arena, container);
    enum status status = permute_locked(arena, container, order, count, version);
    container_unlock(container);
    return status;
}
