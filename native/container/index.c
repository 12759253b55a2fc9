#include "index.h"

#include <string.h>

enum { FEWEST_CELLS = 8 };

#define ENTRY_MASK UINT64_C(0xffffffff)

static uint64_t word_for(uint64_t hash, uint64_t entry)
{
    return (hash & ~ENTRY_MASK) | (entry + 1);
}

struct entries_plan index_plan(uint64_t count)
{
    struct entries_plan plan = {.cells = FEWEST_CELLS};
    while (plan.cells / 3 * 2 < count && plan.cells < ARENA_RESERVE)
        plan.cells *= 2;
    plan.capacity = plan.cells / 3 * 2;
    return plan;
}

static bool has_key(const struct item *item, const struct item_key *key)
{
    return item->key_bytes == key->size && memcmp(item->bytes, key->bytes, key->size) == 0;
}

/* Looks at the entry that is named by an index word with the same half of the hash. */
static enum status look(struct arena *arena, struct entry_table *table, const struct item_key *key,
                        struct lookup *lookup)
{
    if (lookup->entry >= word_get(&table->used))
        return STATUS_CORRUPT;
    struct entry *entry = &table->entries[lookup->entry];
    offset_t offset = word_get(&entry->item);
    if (offset == 0 || entry->hash != key->hash)
        return STATUS_MISSING;
    struct item *item = item_at(arena, offset);
    if (item == NULL)
        return STATUS_CORRUPT;
    if (!has_key(item, key))
        return STATUS_MISSING;
    lookup->item = item;
    return STATUS_OK;
}

enum status index_find(struct arena *arena, struct entry_table *table, const struct item_key *key,
                       struct lookup *lookup)
{
    word_t *index = entries_index(table);
    uint64_t mask = table->cells - 1;
    lookup->item = NULL;
    lookup->cell = key->hash & mask;
    for (uint64_t tried = 0; tried < table->cells;
         tried++, lookup->cell = (lookup->cell + 1) & mask) {
        uint64_t word = word_get(&index[lookup->cell]);
        if (word == 0)
            return STATUS_MISSING;
        if ((word ^ key->hash) & ~ENTRY_MASK)
            continue;
        lookup->entry = (word & ENTRY_MASK) - 1;
        enum status status = look(arena, table, key, lookup);
        if (status != STATUS_MISSING)
            return status;
    }
    return STATUS_CORRUPT; /* it is never full */
}

static void add_to_index(struct entry_table *table, uint64_t entry, uint64_t hash)
{
    word_t *index = entries_index(table);
    uint64_t cell = hash & (table->cells - 1);
    while (word_get(&index[cell]))
        cell = (cell + 1) & (table->cells - 1);
    atomic_store_explicit(&index[cell], word_for(hash, entry), memory_order_relaxed);
}

void index_build(struct entry_table *to, struct entry_table *from)
{
    uint64_t count = 0;
    if (to->cells)
        memset((void *)entries_index(to), 0, to->cells * sizeof(word_t));
    for (uint64_t i = 0; from && i < word_get(&from->used) && count < to->capacity; i++) {
        struct entry *entry = &from->entries[i];
        offset_t item = word_get(&entry->item);
        if (item == 0)
            continue;
        to->entries[count].hash = entry->hash;
        atomic_store_explicit(&to->entries[count].item, item, memory_order_relaxed);
        if (to->cells)
            add_to_index(to, count, entry->hash);
        count++;
    }
    atomic_store_explicit(&to->used, count, memory_order_relaxed);
    atomic_store_explicit(&to->count, count, memory_order_relaxed);
    atomic_store_explicit(&to->tail, count, memory_order_relaxed);
}

void index_stage_new(struct arena *arena, struct entry_table *table, const struct lookup *lookup,
                     offset_t item, uint64_t hash)
{
    uint64_t entry = word_get(&table->used);
    table->entries[entry].hash = hash; /* no process looks there before the commit */
    journal_stage(arena, &table->entries[entry].item, item);
    journal_stage(arena, &entries_index(table)[lookup->cell], word_for(hash, entry));
    journal_stage(arena, &table->used, entry + 1);
    journal_stage(arena, &table->tail, entry + 1);
    journal_stage(arena, &table->count, word_get(&table->count) + 1);
}
