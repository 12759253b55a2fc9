#include "container.h"

#include <string.h>

#include "../crash_point.h"
#include "../shm/overflow.h"

/* ---- the block */

static void fill(void *memory, uint64_t size, const void *with)
{
    memset(memory, 0, size);
    struct store *store = memory;
    const struct arena *arena = with;
    mutex_init(&store->mutex);
    /* The arena's random name, and what no other store has. */
    memcpy(store->seed, arena->header->id, sizeof store->seed);
    store->seed[0] ^= word_get(&arena->header->serial);
}

enum status store_create(struct arena *arena, struct handle *handle)
{
    return handle_create(arena, sizeof(struct store), BLOCK_STORE, fill, arena, handle);
}

static struct block *surrender(struct arena *arena, struct block *block)
{
    struct store *store = block_payload(block);
    return annex_surrender(arena, store->links, STORE_LINKS);
}

static void each_owned(struct arena *arena, struct block *block, owned_visitor visit, void *with)
{
    (void)arena;
    struct store *store = block_payload(block);
    annex_each_owned(store->links, STORE_LINKS, visit, with);
}

void store_register(void)
{
    shelf_register();
    arena_set_manners(BLOCK_STORE,
                      (struct block_manners){.surrender = surrender, .each_owned = each_owned});
}

/* ---- the mutex */

void store_lock(struct arena *arena, struct store *store)
{
    if (mutex_lock(&store->mutex) != MUTEX_ABANDONED)
        return;
    arena_lock(arena); /* its repair comes first: the journal may hold our words */
    arena_unlock(arena);
    store_carry_on(arena, store);
    store_tidy(arena, store);
    CRASH_POINT("store.repaired");
    mutex_repaired(&store->mutex);
}

void store_unlock(struct store *store)
{
    CRASH_POINT("store.before_unlock");
    mutex_unlock(&store->mutex);
}

void store_commit(struct arena *arena)
{
    CRASH_POINT("store.before_commit");
    arena_commit(arena);
    CRASH_POINT("store.committed");
    arena_bury_dead(arena, BURY_STEPS);
}

/* ---- shelves */

enum status store_shelf(struct arena *arena, struct store *store, struct shelf **shelf)
{
    offset_t offset = word_get(&store->links[STORE_SHELF]);
    *shelf = offset ? shelf_at(arena, offset) : NULL;
    return offset && *shelf == NULL ? STATUS_CORRUPT : STATUS_OK;
}

static enum status add_shelf(struct arena *arena, word_t *link, const struct shelf_plan *plan,
                             uint64_t bytes, struct shelf **shelf)
{
    struct block *block;
    enum status status = arena_stage_block(arena, bytes, BLOCK_SHELF, &block);
    if (status != STATUS_OK)
        return status;
    *shelf = block_payload(block);
    shelf_fill(*shelf, bytes, plan);
    arena_stage(arena, link, arena_offset(arena, *shelf));
    store_commit(arena);
    return STATUS_OK;
}

enum status store_add_shelf(struct arena *arena, struct store *store, enum store_link link,
                            const struct shelf_plan *plan, struct shelf **shelf)
{
    uint64_t bytes = shelf_bytes(plan);
    if (bytes == 0)
        return STATUS_NO_MEMORY;
    arena_lock(arena);
    arena_bury_dead(arena, BURY_STEPS);
    enum status status = add_shelf(arena, &store->links[link], plan, bytes, shelf);
    arena_unlock(arena);
    return status;
}

void store_stage_swap(struct arena *arena, struct store *store)
{
    offset_t old = word_get(&store->links[STORE_SHELF]);
    offset_t new = word_get(&store->links[STORE_SPARE]);
    if (old)
        arena_stage(arena, &((struct shelf *)arena_at(arena, old))->owns, 0);
    arena_stage(arena, &((struct shelf *)arena_at(arena, new))->owns, 1);
    arena_stage(arena, &store->links[STORE_SHELF], new);
    arena_stage(arena, &store->links[STORE_SPARE], old);
}

enum status store_renew(struct arena *arena, struct store *store, struct shelf *shelf,
                        const struct shelf_plan *plan)
{
    struct shelf *spare;
    enum status status = store_add_shelf(arena, store, STORE_SPARE, plan, &spare);
    if (status != STATUS_OK)
        return status;
    index_build(spare, shelf);
    CRASH_POINT("store.renew.built");
    arena_lock(arena);
    store_stage_swap(arena, store);
    store_commit(arena);
    arena_unlock(arena);
    store_tidy(arena, store);
    return STATUS_OK;
}

static void drop(struct arena *arena, word_t *link)
{
    if (word_get(link) == 0)
        return;
    arena_lock(arena);
    struct block *block = block_of(arena_at(arena, word_get(link)));
    arena_stage(arena, link, 0);
    arena_stage_release(arena, block);
    store_commit(arena);
    arena_unlock(arena);
}

void store_tidy(struct arena *arena, struct store *store)
{
    drop(arena, &store->links[STORE_SPARE]);
    drop(arena, &store->links[STORE_WASTE]);
}

/* ---- what is pending */

/* Stages one step: the item of the parcel's place goes to its place, the one that was there comes here. */
static enum status stage_step(struct arena *arena, struct shelf *shelf, struct shelf *parcel,
                              uint64_t number)
{
    struct place *from = &parcel->places[number];
    offset_t offset = word_get(&from->item);
    struct item *item = item_at(arena, offset);
    if (item == NULL)
        return STATUS_CORRUPT;
    struct item_key key = {item->bytes, item->key_bytes, item->form_bytes, from->hash};
    struct spot spot;
    enum status status = index_find(arena, shelf, &key, &spot);
    if (status == STATUS_CORRUPT ||
        (status == STATUS_MISSING && word_get(&shelf->used) == shelf->capacity))
        return STATUS_CORRUPT;
    if (status == STATUS_OK) {
        arena_stage(arena, &from->item, arena_offset(arena, spot.item));
        arena_stage(arena, &shelf->places[spot.place].item, offset);
    } else {
        arena_stage(arena, &from->item, 0);
        index_stage_new(arena, shelf, &spot, offset, from->hash);
    }
    arena_stage(arena, &parcel->done, number + 1);
    return STATUS_OK;
}

static enum status carry_out(struct arena *arena, struct shelf *shelf, struct shelf *parcel)
{
    enum status status = STATUS_OK;
    while (status == STATUS_OK && word_get(&parcel->done) < word_get(&parcel->used)) {
        arena_lock(arena);
        status = stage_step(arena, shelf, parcel, word_get(&parcel->done));
        if (status == STATUS_OK)
            store_commit(arena);
        arena_unlock(arena);
    }
    return status;
}

enum status store_carry_on(struct arena *arena, struct store *store)
{
    offset_t pending = word_get(&store->links[STORE_PENDING]);
    if (pending == 0)
        return STATUS_OK;
    struct shelf *shelf, *parcel = shelf_at(arena, pending);
    enum status status = store_shelf(arena, store, &shelf);
    if (status == STATUS_OK)
        status = parcel && shelf && shelf->slots ? carry_out(arena, shelf, parcel) : STATUS_CORRUPT;
    drop(arena, &store->links[STORE_PENDING]);
    return status;
}

/* ---- all of it */

uint64_t store_count(struct arena *arena, struct store *store, uint64_t *version)
{
    struct shelf *shelf;
    store_lock(arena, store);
    store_shelf(arena, store, &shelf);
    uint64_t count = shelf ? word_get(&shelf->count) : 0;
    if (version)
        *version = word_get(&store->version);
    store_unlock(store);
    return count;
}

/* The shelf goes with its items, which it owns; they are taken apart by and by. */
static void clear_locked(struct arena *arena, struct store *store)
{
    offset_t shelf = word_get(&store->links[STORE_SHELF]);
    if (shelf == 0)
        return;
    arena_lock(arena);
    arena_stage(arena, &store->links[STORE_SHELF], 0);
    arena_stage(arena, &store->version, word_get(&store->version) + 1);
    arena_stage_release(arena, block_of(arena_at(arena, shelf)));
    store_commit(arena);
    arena_unlock(arena);
}

enum status store_clear(struct arena *arena, struct store *store)
{
    struct shelf *shelf;
    store_lock(arena, store);
    enum status status = store_shelf(arena, store, &shelf);
    if (status == STATUS_OK)
        clear_locked(arena, store);
    store_unlock(store);
    arena_bury_all(arena);
    return status;
}
