#include "entries.h"

#include <string.h>

#include "../channel/payload.h"
#include "../crash_point.h"

/* The block of that kind whose payload is at *offset*, all of it below the arena's top; else NULL. */
static struct block *block_at(struct arena *arena, offset_t offset, enum block_kind kind)
{
    struct arena_header *header = arena->header;
    uint64_t top = word_get(&header->top);
    if (offset % CACHE_LINE != 0 || offset < header->header_bytes + sizeof(struct block) ||
        offset >= top)
        return NULL;
    struct block *block = block_of(arena_at(arena, offset));
    bool right = block->magic == BLOCK_MAGIC && word_get(&block->kind) == kind &&
                 word_get(&block->size) <= top - offset;
    return right ? block : NULL;
}

/* ---- items */

static bool item_is_sound(struct block *block)
{
    const struct item *item = block_payload(block);
    uint64_t bytes = (uint64_t)item->key_bytes + item->form_bytes + item->value_bytes;
    return word_get(&block->size) >= sizeof *item + bytes && item->kind < RECORD_KINDS;
}

struct item *item_at(struct arena *arena, offset_t offset)
{
    struct block *block = block_at(arena, offset, BLOCK_ITEM);
    return block && item_is_sound(block) ? block_payload(block) : NULL;
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

/* The reference to the payload stays: it changes hands. */
static void stage_payload(struct arena *arena, struct item *item, const struct message *message)
{
    struct block *block = block_of(arena_at(arena, message->payload.payload));
    table_stage_no_entry(arena, arena->self, message->payload.entry);
    arena_stage(arena, &block->unsent, 0);
    atomic_init(&item->payload, message->payload.payload);
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
    enum status status = arena_stage_block(arena, size, BLOCK_ITEM, &block);
    if (status != STATUS_OK)
        return status;
    struct item *item = block_payload(block);
    write_item(item, key, message); /* nobody sees it before the commit */
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
        return handle_attach(arena, arena_offset(arena, block_payload(block)), item->serial,
                             &message->payload);
    }
    if (item->value_bytes > RECORD_DATA_LIMIT)
        return STATUS_CORRUPT;
    memcpy(message->buffer, item->bytes + item->key_bytes + item->form_bytes, item->value_bytes);
    return STATUS_OK;
}

static struct block *surrender_of_item(struct arena *arena, struct block *block)
{
    struct item *item = block_payload(block);
    if (!item_is_sound(block) || word_get(&item->payload) == 0)
        return NULL;
    struct block *payload = item_payload(arena, item);
    if (payload)
        arena_stage(arena, &item->payload, 0);
    return payload;
}

static void each_owned_of_item(struct arena *arena, struct block *block, owned_visitor visit,
                               void *with)
{
    (void)arena;
    struct item *item = block_payload(block);
    if (word_get(&item->payload))
        visit(with, word_get(&item->payload));
}

/* ---- shelves */

uint64_t shelf_bytes(const struct shelf_plan *plan)
{
    if (plan->capacity > ARENA_RESERVE ||
        plan->slots > ARENA_RESERVE) /* before any sum overflows */
        return 0;
    return sizeof(struct shelf) + plan->capacity * sizeof(struct place) +
           plan->slots * sizeof(word_t);
}

void shelf_fill(void *memory, uint64_t size, const void *with)
{
    (void)size;
    const struct shelf_plan *plan = with;
    struct shelf *shelf = memory;
    memset(shelf, 0, sizeof *shelf);
    shelf->capacity = plan->capacity;
    shelf->slots = plan->slots;
}

static bool shelf_is_sound(struct block *block)
{
    const struct shelf *shelf = block_payload(block);
    if (word_get(&block->size) < sizeof *shelf)
        return false;
    uint64_t bytes = shelf_bytes(&(struct shelf_plan){shelf->capacity, shelf->slots});
    return bytes > 0 && bytes <= word_get(&block->size) &&
           word_get((word_t *)&shelf->used) <= shelf->capacity &&
           (shelf->slots & (shelf->slots - 1)) == 0;
}

struct shelf *shelf_at(struct arena *arena, offset_t offset)
{
    struct block *block = block_at(arena, offset, BLOCK_SHELF);
    return block && shelf_is_sound(block) ? block_payload(block) : NULL;
}

/* From the end: `used` says how far. Nobody else can reach the shelf any more. */
static struct block *surrender_of_shelf(struct arena *arena, struct block *block)
{
    struct shelf *shelf = block_payload(block);
    if (!shelf_is_sound(block) || word_get(&shelf->owns) == 0)
        return NULL;
    for (uint64_t used; (used = word_get(&shelf->used)) > word_get(&shelf->start);) {
        struct place *place = &shelf->places[used - 1];
        struct item *item = item_at(arena, word_get(&place->item));
        if (item) {
            arena_stage(arena, &place->item, 0);
            arena_stage(arena, &shelf->used, used - 1);
            return block_of(item);
        }
        atomic_store_explicit(&shelf->used, used - 1, memory_order_relaxed);
    }
    return NULL;
}

static void each_owned_of_shelf(struct arena *arena, struct block *block, owned_visitor visit,
                                void *with)
{
    (void)arena;
    struct shelf *shelf = block_payload(block);
    if (!shelf_is_sound(block) || word_get(&shelf->owns) == 0)
        return;
    for (uint64_t i = word_get(&shelf->start); i < word_get(&shelf->used); i++)
        if (word_get(&shelf->places[i].item))
            visit(with, word_get(&shelf->places[i].item));
}

void shelf_register(void)
{
    arena_set_manners(BLOCK_ITEM, (struct block_manners){.surrender = surrender_of_item,
                                                         .each_owned = each_owned_of_item});
    arena_set_manners(BLOCK_SHELF, (struct block_manners){.surrender = surrender_of_shelf,
                                                          .each_owned = each_owned_of_shelf});
}

/* ---- parcels */

static void fill_parcel(void *memory, uint64_t size, const void *plan)
{
    shelf_fill(memory, size, plan);
    atomic_init(&((struct shelf *)memory)->owns, 1);
    /* Of a fork in another thread no object of the child's would own it. */
    atomic_store_explicit(&block_of(memory)->unsent, 1, memory_order_relaxed);
}

enum status parcel_create(struct arena *arena, uint64_t capacity, struct handle *handle)
{
    struct shelf_plan plan = {capacity, 0};
    uint64_t bytes = shelf_bytes(&plan);
    if (bytes == 0)
        return STATUS_NO_MEMORY;
    return handle_create(arena, bytes, BLOCK_SHELF, fill_parcel, &plan, handle);
}

static enum status add_locked(struct arena *arena, struct shelf *parcel, const struct item_key *key,
                              const struct message *message)
{
    uint64_t used = word_get(&parcel->used);
    offset_t item;
    if (used == parcel->capacity)
        return STATUS_NO_MEMORY;
    enum status status = item_stage(arena, key, message, &item);
    if (status != STATUS_OK)
        return status;
    parcel->places[used].hash = key ? key->hash : 0;
    arena_stage(arena, &parcel->places[used].item, item);
    arena_stage(arena, &parcel->used, used + 1);
    CRASH_POINT("parcel.add.before_commit");
    arena_commit(arena);
    CRASH_POINT("parcel.add.committed");
    return STATUS_OK;
}

enum status parcel_add(struct arena *arena, struct shelf *parcel, const struct item_key *key,
                       const struct message *message)
{
    arena_lock(arena);
    arena_bury_dead(arena, BURY_STEPS);
    enum status status = add_locked(arena, parcel, key, message);
    arena_unlock(arena);
    return status;
}
