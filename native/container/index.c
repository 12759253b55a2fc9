#include "index.h"

#include <string.h>

enum { FEWEST_SLOTS = 8 };

#define PLACE_MASK UINT64_C(0xffffffff)

static uint64_t word_for(uint64_t hash, uint64_t place)
{
    return (hash & ~PLACE_MASK) | (place + 1);
}

struct shelf_plan index_plan(uint64_t count)
{
    struct shelf_plan plan = {.slots = FEWEST_SLOTS};
    while (plan.slots / 3 * 2 < count && plan.slots < ARENA_RESERVE)
        plan.slots *= 2;
    plan.capacity = plan.slots / 3 * 2;
    return plan;
}

static bool has_key(const struct item *item, const struct item_key *key)
{
    return item->key_bytes == key->size && memcmp(item->bytes, key->bytes, key->size) == 0;
}

/* Looks at the place that an index word of the same half hash names. */
static enum status look(struct arena *arena, struct shelf *shelf, const struct item_key *key,
                        struct spot *spot)
{
    if (spot->place >= word_get(&shelf->used))
        return STATUS_CORRUPT;
    struct place *place = &shelf->places[spot->place];
    offset_t offset = word_get(&place->item);
    if (offset == 0 || place->hash != key->hash)
        return STATUS_MISSING;
    struct item *item = item_at(arena, offset);
    if (item == NULL)
        return STATUS_CORRUPT;
    if (!has_key(item, key))
        return STATUS_MISSING;
    spot->item = item;
    return STATUS_OK;
}

enum status index_find(struct arena *arena, struct shelf *shelf, const struct item_key *key,
                       struct spot *spot)
{
    word_t *index = shelf_index(shelf);
    uint64_t mask = shelf->slots - 1;
    spot->item = NULL;
    spot->slot = key->hash & mask;
    for (uint64_t tried = 0; tried < shelf->slots; tried++, spot->slot = (spot->slot + 1) & mask) {
        uint64_t word = word_get(&index[spot->slot]);
        if (word == 0)
            return STATUS_MISSING;
        if ((word ^ key->hash) & ~PLACE_MASK)
            continue;
        spot->place = (word & PLACE_MASK) - 1;
        enum status status = look(arena, shelf, key, spot);
        if (status != STATUS_MISSING)
            return status;
    }
    return STATUS_CORRUPT; /* it is never full */
}

static void add_to_index(struct shelf *shelf, uint64_t place, uint64_t hash)
{
    word_t *index = shelf_index(shelf);
    uint64_t slot = hash & (shelf->slots - 1);
    while (word_get(&index[slot]))
        slot = (slot + 1) & (shelf->slots - 1);
    atomic_store_explicit(&index[slot], word_for(hash, place), memory_order_relaxed);
}

void index_build(struct shelf *to, struct shelf *from)
{
    uint64_t count = 0;
    if (to->slots)
        memset((void *)shelf_index(to), 0, to->slots * sizeof(word_t));
    for (uint64_t i = 0; from && i < word_get(&from->used) && count < to->capacity; i++) {
        struct place *place = &from->places[i];
        offset_t item = word_get(&place->item);
        if (item == 0)
            continue;
        to->places[count].hash = place->hash;
        atomic_store_explicit(&to->places[count].item, item, memory_order_relaxed);
        if (to->slots)
            add_to_index(to, count, place->hash);
        count++;
    }
    atomic_store_explicit(&to->used, count, memory_order_relaxed);
    atomic_store_explicit(&to->count, count, memory_order_relaxed);
    atomic_store_explicit(&to->tail, count, memory_order_relaxed);
}

void index_stage_new(struct arena *arena, struct shelf *shelf, const struct spot *spot,
                     offset_t item, uint64_t hash)
{
    uint64_t place = word_get(&shelf->used);
    shelf->places[place].hash = hash; /* nobody looks there before the commit */
    arena_stage(arena, &shelf->places[place].item, item);
    arena_stage(arena, &shelf_index(shelf)[spot->slot], word_for(hash, place));
    arena_stage(arena, &shelf->used, place + 1);
    arena_stage(arena, &shelf->tail, place + 1);
    arena_stage(arena, &shelf->count, word_get(&shelf->count) + 1);
}
