#include "dict.h"

#include "../crash_point.h"

/* ---- finding */

static enum status find(struct arena *arena, struct store *store, const struct item_key *key,
                        struct shelf **shelf, struct spot *spot)
{
    spot->item = NULL;
    enum status status = store_shelf(arena, store, shelf);
    if (status != STATUS_OK)
        return status;
    if (*shelf == NULL)
        return STATUS_MISSING;
    return (*shelf)->slots ? index_find(arena, *shelf, key, spot) : STATUS_CORRUPT;
}

enum status dict_get(struct arena *arena, struct store *store, const struct item_key *key,
                     struct message *out)
{
    struct shelf *shelf;
    struct spot spot;
    store_lock(arena, store);
    enum status status = find(arena, store, key, &shelf, &spot);
    if (status == STATUS_OK && out)
        status = item_read(arena, spot.item, out);
    store_unlock(store);
    return status;
}

/* ---- setting */

/* Has room for *more* further keys. The shelf may be another afterwards. */
static enum status make_room(struct arena *arena, struct store *store, uint64_t more,
                             struct shelf **shelf)
{
    if (*shelf && more <= (*shelf)->capacity - word_get(&(*shelf)->used))
        return STATUS_OK;
    uint64_t count = *shelf ? word_get(&(*shelf)->count) : 0;
    struct shelf_plan plan = index_plan(count + count / 2 + more);
    enum status status = store_renew(arena, store, *shelf, &plan);
    return status == STATUS_OK ? store_shelf(arena, store, shelf) : status;
}

/* One transaction: an item is made and linked, and the one in its place goes. */
static enum status link_item(struct arena *arena, struct shelf *shelf, const struct spot *spot,
                             const struct item_key *key, const struct message *message)
{
    offset_t item;
    struct item_key same = *key;
    if (spot->item) { /* the first of equal keys stays, as in a dict */
        same.bytes = spot->item->bytes;
        same.form_bytes = spot->item->form_bytes;
    }
    enum status status = item_stage(arena, &same, message, &item);
    if (status != STATUS_OK)
        return status;
    if (spot->item) {
        arena_stage(arena, &shelf->places[spot->place].item, item);
        arena_stage_release(arena, block_of(spot->item));
    } else
        index_stage_new(arena, shelf, spot, item, key->hash);
    store_commit(arena);
    return STATUS_OK;
}

/* *spot* is where find() has found the key, or that it is missing. */
static enum status set_at(struct arena *arena, struct store *store, struct shelf *shelf,
                          struct spot *spot, const struct item_key *key,
                          const struct message *message)
{
    enum status status = STATUS_OK;
    if (spot->item == NULL) {
        struct shelf *before = shelf;
        status = make_room(arena, store, 1, &shelf);
        if (status == STATUS_OK && shelf != before &&
            index_find(arena, shelf, key, spot) != STATUS_MISSING)
            status = STATUS_CORRUPT;
    }
    if (status != STATUS_OK)
        return status;
    arena_lock(arena);
    arena_bury_dead(arena, BURY_STEPS);
    status = link_item(arena, shelf, spot, key, message);
    arena_unlock(arena);
    return status;
}

enum status dict_set(struct arena *arena, struct store *store, const struct item_key *key,
                     const struct message *message)
{
    struct shelf *shelf;
    struct spot spot;
    store_lock(arena, store);
    enum status status = find(arena, store, key, &shelf, &spot);
    if (status == STATUS_OK || status == STATUS_MISSING)
        status = set_at(arena, store, shelf, &spot, key, message);
    store_unlock(store);
    return status;
}

enum status dict_set_default(struct arena *arena, struct store *store, const struct item_key *key,
                             const struct message *message, struct message *out)
{
    struct shelf *shelf;
    struct spot spot;
    store_lock(arena, store);
    enum status status = find(arena, store, key, &shelf, &spot);
    if (status == STATUS_OK)
        status = item_read(arena, spot.item, out);
    else if (status == STATUS_MISSING) {
        status = set_at(arena, store, shelf, &spot, key, message);
        status = status == STATUS_OK ? STATUS_MISSING : status;
    }
    store_unlock(store);
    return status;
}

/* ---- taking out */

static void unlink_item(struct arena *arena, struct shelf *shelf, uint64_t number,
                        struct item *item)
{
    struct place *place = &shelf->places[number];
    arena_lock(arena);
    arena_stage(arena, &place->item, 0);
    arena_stage(arena, &shelf->count, word_get(&shelf->count) - 1);
    if (number + 1 == word_get(&shelf->tail))
        arena_stage(arena, &shelf->tail, number);
    arena_stage_release(arena, block_of(item));
    store_commit(arena);
    arena_unlock(arena);
}

enum status dict_take(struct arena *arena, struct store *store, const struct item_key *key,
                      struct message *out)
{
    struct shelf *shelf;
    struct spot spot;
    store_lock(arena, store);
    enum status status = find(arena, store, key, &shelf, &spot);
    if (status == STATUS_OK && out) /* killed behind it, the handle is given back, the key stays */
        status = item_read(arena, spot.item, out);
    CRASH_POINT("dict.take.read");
    if (status == STATUS_OK)
        unlink_item(arena, shelf, spot.place, spot.item);
    store_unlock(store);
    return status;
}

static enum status take_last_locked(struct arena *arena, struct store *store, struct snapshot *out)
{
    struct shelf *shelf;
    enum status status = store_shelf(arena, store, &shelf);
    if (status != STATUS_OK || shelf == NULL || word_get(&shelf->count) == 0)
        return status == STATUS_OK ? STATUS_MISSING : status;
    uint64_t tail = word_get(&shelf->tail);
    if (tail > word_get(&shelf->used))
        return STATUS_CORRUPT;
    while (tail > 0 && word_get(&shelf->places[tail - 1].item) == 0)
        tail--;
    struct item *item = tail ? item_at(arena, word_get(&shelf->places[tail - 1].item)) : NULL;
    if (item == NULL)
        return STATUS_CORRUPT;
    status = snapshot_take_one(arena, item, out);
    CRASH_POINT("dict.take_last.read");
    if (status != STATUS_OK)
        return status;
    /* All behind it are empty: said here, so that who comes next need not look at them again. */
    atomic_store_explicit(&shelf->tail, tail, memory_order_relaxed);
    unlink_item(arena, shelf, tail - 1, item);
    return STATUS_OK;
}

enum status dict_take_last(struct arena *arena, struct store *store, struct snapshot *out)
{
    store_lock(arena, store);
    enum status status = take_last_locked(arena, store, out);
    store_unlock(store);
    return status;
}

/* ---- many keys */

/* The parcel passes from this process to the store: that is the commit of all that is on it. */
static void hand_over(struct arena *arena, struct store *store, const struct handle *parcel)
{
    arena_lock(arena);
    table_stage_no_entry(arena, arena->self, parcel->entry);
    arena_stage(arena, &block_of(arena_at(arena, parcel->payload))->unsent, 0);
    arena_stage(arena, &store->links[STORE_PENDING], parcel->payload);
    store_commit(arena);
    arena_unlock(arena);
}

enum status dict_update(struct arena *arena, struct store *store, struct handle *parcel)
{
    struct shelf *shelf, *of_parcel = arena_at(arena, parcel->payload);
    store_lock(arena, store);
    enum status status = store_shelf(arena, store, &shelf);
    if (status == STATUS_OK)
        status = make_room(arena, store, word_get(&of_parcel->used), &shelf);
    if (status == STATUS_OK) {
        hand_over(arena, store, parcel);
        parcel->payload = 0;
        CRASH_POINT("dict.update.committed");
        status = store_carry_on(arena, store);
    }
    store_unlock(store);
    arena_bury_all(arena);
    return status;
}
