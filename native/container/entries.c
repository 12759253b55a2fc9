#include "entries.h"

#include <string.h>

#include "../channel/payload.h"
#include "../crash_point.h"

/* The block of that kind whose contents are at *offset*, all of it below the arena's top; else
 * NULL. */
static struct block *block_at(struct arena *arena, offset_t offset, enum block_kind kind)
{
    struct arena_header *header = arena->header;
    uint64_t top = word_get(&header->top);
    if (offset % CACHE_LINE != 0 || offset < header->header_bytes + sizeof(struct block) ||
        offset >= top)
        return NULL;
    bool is_mapped = block_reach(arena, offset) ==
                     STATUS_OK; /* else arena_at() has room held back */
    struct block *block = block_of(arena_at(arena, offset));
    uint64_t size = word_get(&block->size);
    bool right = block->magic == BLOCK_MAGIC && word_get(&block->kind) == kind &&
                 size <= top - offset && (is_mapped || size + sizeof *block <= IN_ONE_WINDOW);
    return right ? block : NULL;
}

/* ---- items */

static bool item_is_sound(struct block *block)
{
    const struct item *item = block_contents(block);
    uint64_t bytes = (uint64_t)item->key_bytes + item->form_bytes + item->value_bytes;
    return word_get(&block->size) >= sizeof *item + bytes && item->kind < RECORD_KINDS;
}

struct item *item_at(struct arena *arena, offset_t offset)
{
    struct block *block = block_at(arena, offset, BLOCK_ITEM);
    return block && item_is_sound(block) ? block_contents(block) : NULL;
}

static void write_item(struct item *item, const struct item_key *key, const struct message *message)
{
    bool is_inline = message->kind != RECORD_PAYLOAD;
    atomic_init(&item->payload, 0);
    item->serial = 0;
    item->key_bytes = key ? key->size : 0;
    item->form_bytes = key ? key->form_bytes : 0;
    item->value_bytes = is_inline ? message->size : 0;
    item->kind = message->kind;
    uint64_t key_bytes = (uint64_t)item->key_bytes + item->form_bytes;
    if (key_bytes)
        memcpy(item->bytes, key->bytes, key_bytes);
    if (is_inline && message->size)
        memcpy(item->bytes + key_bytes, message->data, message->size);
}

/* The count of references stays: the reference passes to the item. */
static void stage_payload(struct arena *arena, struct item *item, const struct message *message)
{
    struct block *block = block_of(arena_at(arena, message->payload.offset));
    reference_stage_no_entry(arena, arena->self, message->payload.entry);
    journal_stage(arena, &block->unsent, 0);
    atomic_init(&item->payload, message->payload.offset);
    item->serial = word_get(&block->serial);
}

enum status item_stage(struct arena *arena, const struct item_key *key,
                       const struct message *message, offset_t *offset)
{
    uint64_t size = sizeof(struct item);
    if (key)
        size += (uint64_t)key->size + key->form_bytes;
    if (message->kind != RECORD_PAYLOAD)
        size += message->size;
    struct block *block;
    enum status status = reference_stage_new(arena, size, BLOCK_ITEM, &block);
    if (status != STATUS_OK)
        return status;
    struct item *item = block_contents(block);
    write_item(item, key, message); /* no other process sees it before the commit */
    if (message->kind == RECORD_PAYLOAD)
        stage_payload(arena, item, message);
    *offset = arena_offset(arena, item);
    return STATUS_OK;
}

struct block *item_payload(struct arena *arena, const struct item *item)
{
    if (item->kind != RECORD_PAYLOAD)
        return NULL;
    struct payload_reference reference = {word_get((word_t *)&item->payload), item->serial};
    return payload_named(arena, &reference, sizeof reference);
}

enum status item_read(struct arena *arena, const struct item *item, struct message *message)
{
    message->kind = (uint16_t)item->kind;
    message->size = item->value_bytes;
    message->data = message->buffer;
    if (item->kind == RECORD_PAYLOAD) {
        struct block *block = item_payload(arena, item);
        if (block == NULL)
            return STATUS_CORRUPT;
        return handle_attach(arena, arena_offset(arena, block_contents(block)), item->serial,
                             &message->payload);
    }
    if (item->value_bytes > RECORD_DATA_LIMIT)
        return STATUS_CORRUPT;
    memcpy(message->buffer, item->bytes + item->key_bytes + item->form_bytes, item->value_bytes);
    return STATUS_OK;
}

static struct block *pop_child_of_item(struct arena *arena, struct block *block)
{
    struct item *item = block_contents(block);
    if (!item_is_sound(block) || word_get(&item->payload) == 0)
        return NULL;
    struct block *payload = item_payload(arena, item);
    if (payload)
        journal_stage(arena, &item->payload, 0);
    return payload;
}

static void visit_children_of_item(struct arena *arena, struct block *block, child_visitor visit,
                                   void *with)
{
    (void)arena;
    struct item *item = block_contents(block);
    if (word_get(&item->payload))
        visit(with, word_get(&item->payload));
}

/* ---- tables */

uint64_t entries_bytes(const struct entries_plan *plan)
{
    if (plan->capacity > ARENA_RESERVE ||
        plan->cells > ARENA_RESERVE) /* before any sum overflows */
        return 0;
    return sizeof(struct entry_table) + plan->capacity * sizeof(struct entry) +
           plan->cells * sizeof(word_t);
}

void entries_init(void *memory, uint64_t size, const void *with)
{
    (void)size;
    const struct entries_plan *plan = with;
    struct entry_table *table = memory;
    memset(table, 0, sizeof *table);
    table->capacity = plan->capacity;
    table->cells = plan->cells;
}

static bool table_is_sound(struct block *block)
{
    const struct entry_table *table = block_contents(block);
    if (word_get(&block->size) < sizeof *table)
        return false;
    uint64_t bytes = entries_bytes(&(struct entries_plan){table->capacity, table->cells});
    return bytes > 0 && bytes <= word_get(&block->size) &&
           word_get((word_t *)&table->used) <= table->capacity &&
           (table->cells & (table->cells - 1)) == 0;
}

struct entry_table *entries_at(struct arena *arena, offset_t offset)
{
    struct block *block = block_at(arena, offset, BLOCK_ENTRY_TABLE);
    return block && table_is_sound(block) ? block_contents(block) : NULL;
}

/* From the end: `used` says how far. No process can reach the table any more. */
static struct block *pop_child_of_table(struct arena *arena, struct block *block)
{
    struct entry_table *table = block_contents(block);
    if (!table_is_sound(block) || word_get(&table->owns) == 0)
        return NULL;
    for (uint64_t used; (used = word_get(&table->used)) > word_get(&table->start);) {
        struct entry *entry = &table->entries[used - 1];
        struct item *item = item_at(arena, word_get(&entry->item));
        if (item) {
            journal_stage(arena, &entry->item, 0);
            journal_stage(arena, &table->used, used - 1);
            return block_of(item);
        }
        atomic_store_explicit(&table->used, used - 1, memory_order_relaxed);
    }
    return NULL;
}

static void visit_children_of_table(struct arena *arena, struct block *block, child_visitor visit,
                                    void *with)
{
    (void)arena;
    struct entry_table *table = block_contents(block);
    if (!table_is_sound(block) || word_get(&table->owns) == 0)
        return;
    for (uint64_t i = word_get(&table->start); i < word_get(&table->used); i++)
        if (word_get(&table->entries[i].item))
            visit(with, word_get(&table->entries[i].item));
}

void entries_register(void)
{
    block_set_ops(BLOCK_ITEM, (struct block_ops){.pop_child = pop_child_of_item,
                                                 .visit_children = visit_children_of_item});
    block_set_ops(BLOCK_ENTRY_TABLE, (struct block_ops){.pop_child = pop_child_of_table,
                                                        .visit_children = visit_children_of_table});
}

/* ---- write batches */

static void fill_batch(void *memory, uint64_t size, const void *plan)
{
    entries_init(memory, size, plan);
    atomic_init(&((struct entry_table *)memory)->owns, 1);
    /* Another thread may fork meanwhile: no object of the child would own it. */
    atomic_store_explicit(&block_of(memory)->unsent, 1, memory_order_relaxed);
}

enum status write_batch_create(struct arena *arena, uint64_t capacity, struct handle *handle)
{
    struct entries_plan plan = {capacity, 0};
    uint64_t bytes = entries_bytes(&plan);
    if (bytes == 0)
        return STATUS_NO_MEMORY;
    return handle_create(arena, bytes, BLOCK_ENTRY_TABLE, fill_batch, &plan, handle);
}

static enum status add_locked(struct arena *arena, struct entry_table *batch,
                              const struct item_key *key, const struct message *message)
{
    uint64_t used = word_get(&batch->used);
    offset_t item;
    if (used == batch->capacity)
        return STATUS_NO_MEMORY;
    enum status status = item_stage(arena, key, message, &item);
    if (status != STATUS_OK)
        return status;
    batch->entries[used].hash = key ? key->hash : 0;
    journal_stage(arena, &batch->entries[used].item, item);
    journal_stage(arena, &batch->used, used + 1);
    CRASH_POINT("write_batch.add.before_commit");
    journal_commit(arena);
    CRASH_POINT("write_batch.add.committed");
    return STATUS_OK;
}

enum status write_batch_add(struct arena *arena, struct entry_table *batch,
                            const struct item_key *key, const struct message *message)
{
    arena_lock(arena);
    arena_reclaim(arena, RECLAIM_STEPS);
    enum status status = add_locked(arena, batch, key, message);
    arena_unlock(arena);
    return status;
}
