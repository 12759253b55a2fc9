#include "list.h"

#include "../crash_point.h"

enum { FEWEST_PLACES = 4 };

static struct shelf_plan plan_for(uint64_t count)
{
    return (struct shelf_plan){.capacity = count < FEWEST_PLACES ? FEWEST_PLACES : count};
}

static uint64_t length_of(struct shelf *shelf)
{
    return shelf ? word_get(&shelf->used) : 0;
}

static void stage_version(struct arena *arena, struct store *store)
{
    arena_stage(arena, &store->version, word_get(&store->version) + 1);
}

static void stage_length(struct arena *arena, struct shelf *shelf, uint64_t length)
{
    arena_stage(arena, &shelf->used, length);
    arena_stage(arena, &shelf->count, length);
}

/* ---- one item */

/* The place and its item. */
static enum status find(struct arena *arena, struct store *store, int64_t position,
                        struct shelf **shelf, struct spot *spot)
{
    enum status status = store_shelf(arena, store, shelf);
    if (status != STATUS_OK)
        return status;
    uint64_t length = length_of(*shelf);
    spot->place = (uint64_t)(position < 0 ? position + (int64_t)length : position);
    if (spot->place >= length)
        return STATUS_MISSING;
    spot->item = item_at(arena, word_get(&(*shelf)->places[spot->place].item));
    return spot->item ? STATUS_OK : STATUS_CORRUPT;
}

enum status list_get(struct arena *arena, struct store *store, int64_t position,
                     struct message *out)
{
    struct shelf *shelf;
    struct spot spot;
    store_lock(arena, store);
    enum status status = find(arena, store, position, &shelf, &spot);
    if (status == STATUS_OK)
        status = item_read(arena, spot.item, out);
    store_unlock(store);
    return status;
}

static enum status replace(struct arena *arena, struct store *store, struct place *place,
                           struct item *old, const struct message *message)
{
    offset_t item;
    enum status status = item_stage(arena, NULL, message, &item);
    if (status != STATUS_OK)
        return status;
    arena_stage(arena, &place->item, item);
    stage_version(arena, store);
    arena_stage_release(arena, block_of(old));
    store_commit(arena);
    return STATUS_OK;
}

enum status list_set(struct arena *arena, struct store *store, int64_t position,
                     const struct message *message)
{
    struct shelf *shelf;
    struct spot spot;
    store_lock(arena, store);
    enum status status = find(arena, store, position, &shelf, &spot);
    if (status == STATUS_OK) {
        arena_lock(arena);
        arena_bury_dead(arena, BURY_STEPS);
        status = replace(arena, store, &shelf->places[spot.place], spot.item, message);
        arena_unlock(arena);
    }
    store_unlock(store);
    return status;
}

/* ---- at the end */

static enum status make_room(struct arena *arena, struct store *store, uint64_t more,
                             struct shelf **shelf)
{
    uint64_t length = length_of(*shelf);
    if (*shelf && more <= (*shelf)->capacity - length)
        return STATUS_OK;
    struct shelf_plan plan = plan_for(length + length / 2 + more);
    enum status status = store_renew(arena, store, *shelf, &plan);
    return status == STATUS_OK ? store_shelf(arena, store, shelf) : status;
}

static enum status link_at_end(struct arena *arena, struct store *store, struct shelf *shelf,
                               const struct message *message)
{
    uint64_t length = length_of(shelf);
    offset_t item;
    enum status status = item_stage(arena, NULL, message, &item);
    if (status != STATUS_OK)
        return status;
    arena_stage(arena, &shelf->places[length].item, item);
    stage_length(arena, shelf, length + 1);
    stage_version(arena, store);
    store_commit(arena);
    return STATUS_OK;
}

enum status list_append(struct arena *arena, struct store *store, const struct message *message)
{
    struct shelf *shelf;
    store_lock(arena, store);
    enum status status = store_shelf(arena, store, &shelf);
    if (status == STATUS_OK)
        status = make_room(arena, store, 1, &shelf);
    if (status == STATUS_OK) {
        arena_lock(arena);
        arena_bury_dead(arena, BURY_STEPS);
        status = link_at_end(arena, store, shelf, message);
        arena_unlock(arena);
    }
    store_unlock(store);
    return status;
}

static void unlink_last(struct arena *arena, struct store *store, struct shelf *shelf,
                        struct item *item)
{
    uint64_t length = length_of(shelf);
    arena_lock(arena);
    arena_stage(arena, &shelf->places[length - 1].item, 0);
    stage_length(arena, shelf, length - 1);
    stage_version(arena, store);
    arena_stage_release(arena, block_of(item));
    store_commit(arena);
    arena_unlock(arena);
}

/* ---- many items: what is where is written down first, then one transaction makes it so */

struct splice {
    struct shelf *old, *parcel; /* parcel NULL: none */
    struct list_range range;
    uint64_t taken; /* of the old items */
    uint64_t added;
    bool assigns;    /* rather than deletes */
    bool extended;   /* the range has a step, so that each position is replaced by one item */
    bool descending; /* the first item of the parcel is for the last position of the range */
};

static void put_at(struct shelf *shelf, uint64_t place, const struct place *from)
{
    shelf->places[place].hash = from->hash;
    atomic_store_explicit(&shelf->places[place].item, word_get((word_t *)&from->item),
                          memory_order_relaxed);
}

static void set_length(struct shelf *shelf, uint64_t length)
{
    atomic_store_explicit(&shelf->used, length, memory_order_relaxed);
    atomic_store_explicit(&shelf->count, length, memory_order_relaxed);
}

/* The item that replaces the range's position *number*. */
static const struct place *replacement(const struct splice *splice, uint64_t number)
{
    return &splice->parcel->places[splice->descending ? splice->added - 1 - number : number];
}

/* The new order, and what is left out of it. */
static void lay_out(const struct splice *splice, struct shelf *spare, struct shelf *waste)
{
    uint64_t start = (uint64_t)splice->range.start, step = (uint64_t)splice->range.step;
    uint64_t kept = 0, out = 0;
    for (uint64_t i = 0; i < length_of(splice->old); i++) {
        const struct place *place = &splice->old->places[i];
        for (uint64_t k = 0; !splice->extended && i == start && k < splice->added; k++)
            put_at(spare, kept++, &splice->parcel->places[k]);
        if (out == splice->taken || i != start + out * step) {
            put_at(spare, kept++, place);
            continue;
        }
        if (splice->extended && splice->added)
            put_at(spare, kept++, replacement(splice, out));
        put_at(waste, out++, place);
    }
    set_length(spare, kept);
    if (waste)
        set_length(waste, out);
}

static void commit_splice(struct arena *arena, struct store *store, struct shelf *parcel,
                          struct shelf *waste)
{
    CRASH_POINT("list.splice.built");
    arena_lock(arena);
    store_stage_swap(arena, store);
    if (waste)
        arena_stage(arena, &waste->owns, 1);
    if (parcel)
        arena_stage(arena, &parcel->start, word_get(&parcel->used));
    stage_version(arena, store);
    store_commit(arena);
    arena_unlock(arena);
    store_tidy(arena, store);
}

static enum status rebuild(struct arena *arena, struct store *store, const struct splice *splice)
{
    struct shelf *spare, *waste = NULL;
    struct shelf_plan plan = plan_for(length_of(splice->old) - splice->taken + splice->added);
    struct shelf_plan plan_of_waste = {.capacity = splice->taken};
    enum status status = store_add_shelf(arena, store, STORE_SPARE, &plan, &spare);
    if (status == STATUS_OK && splice->taken)
        status = store_add_shelf(arena, store, STORE_WASTE, &plan_of_waste, &waste);
    if (status != STATUS_OK) {
        store_tidy(arena, store);
        return status;
    }
    lay_out(splice, spare, waste);
    commit_splice(arena, store, splice->parcel, waste);
    return STATUS_OK;
}

/* At the end of the list nothing moves. */
static enum status extend(struct arena *arena, struct store *store, const struct splice *splice)
{
    struct shelf *shelf = splice->old;
    enum status status = make_room(arena, store, splice->added, &shelf);
    if (status != STATUS_OK)
        return status;
    uint64_t length = length_of(shelf);
    for (uint64_t i = 0; i < splice->added; i++) /* nobody looks there before the commit */
        put_at(shelf, length + i, &splice->parcel->places[i]);
    CRASH_POINT("list.extend.written");
    arena_lock(arena);
    stage_length(arena, shelf, length + splice->added);
    arena_stage(arena, &splice->parcel->start, word_get(&splice->parcel->used));
    stage_version(arena, store);
    store_commit(arena);
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

static enum status splice_locked(struct arena *arena, struct store *store, struct splice *splice,
                                 uint64_t *places)
{
    enum status status = store_shelf(arena, store, &splice->old);
    if (status != STATUS_OK)
        return status;
    uint64_t length = length_of(splice->old);
    *places = splice->taken = list_range_adjust(&splice->range, length);
    splice->extended = splice->range.step != 1;
    if (splice->extended && splice->assigns && splice->added != splice->taken)
        return STATUS_MISFIT;
    if (splice->taken == 0 && splice->added == 0)
        return STATUS_OK;
    if (splice->taken == 0 && splice->range.start == (int64_t)length)
        return extend(arena, store, splice);
    make_ascending(splice);
    return rebuild(arena, store, splice);
}

enum status list_splice(struct arena *arena, struct store *store, struct list_range range,
                        const struct handle *parcel, bool assigns, uint64_t *places)
{
    struct splice splice = {.range = range, .assigns = assigns};
    if (parcel) {
        splice.parcel = arena_at(arena, parcel->payload);
        splice.added = word_get(&splice.parcel->used);
    }
    store_lock(arena, store);
    enum status status = splice_locked(arena, store, &splice, places);
    store_unlock(store);
    arena_bury_all(arena);
    return status;
}

/* ---- taking one out */

static enum status take_locked(struct arena *arena, struct store *store, int64_t position,
                               uint64_t version, struct message *out)
{
    struct splice splice = {.taken = 1};
    struct spot spot;
    if (version != LIST_ANY_VERSION && version != word_get(&store->version))
        return STATUS_AGAIN;
    enum status status = find(arena, store, position, &splice.old, &spot);
    if (status == STATUS_OK && out) /* killed behind it, the handle is given back, the item stays */
        status = item_read(arena, spot.item, out);
    CRASH_POINT("list.take.read");
    if (status != STATUS_OK)
        return status;
    if (spot.place + 1 == length_of(splice.old)) {
        unlink_last(arena, store, splice.old, spot.item);
        return STATUS_OK;
    }
    splice.range = (struct list_range){(int64_t)spot.place, (int64_t)spot.place + 1, 1};
    status = rebuild(arena, store, &splice);
    if (status != STATUS_OK && out && out->kind == RECORD_PAYLOAD)
        handle_drop(arena, &out->payload);
    return status;
}

enum status list_take(struct arena *arena, struct store *store, int64_t position, uint64_t version,
                      struct message *out)
{
    store_lock(arena, store);
    enum status status = take_locked(arena, store, position, version, out);
    store_unlock(store);
    return status;
}

/* ---- another order */

/* Copies the places in their new order. False: that is no order of them. */
static bool lay_in_order(struct shelf *spare, struct shelf *old, const uint64_t *order)
{
    uint64_t length = length_of(old);
    for (uint64_t i = 0; i < length; i++) {
        if (order[i] >= length)
            return false;
        put_at(spare, i, &old->places[order[i]]);
    }
    set_length(spare, length);
    return true;
}

static enum status permute_locked(struct arena *arena, struct store *store, const uint64_t *order,
                                  uint64_t count, uint64_t version)
{
    struct shelf *old, *spare;
    enum status status = store_shelf(arena, store, &old);
    if (status != STATUS_OK)
        return status;
    if (version != word_get(&store->version) || count != length_of(old))
        return STATUS_AGAIN;
    if (count < 2)
        return STATUS_OK;
    struct shelf_plan plan = plan_for(count);
    status = store_add_shelf(arena, store, STORE_SPARE, &plan, &spare);
    if (status != STATUS_OK)
        return status;
    if (lay_in_order(spare, old, order))
        commit_splice(arena, store, NULL, NULL);
    else {
        store_tidy(arena, store);
        status = STATUS_MISFIT;
    }
    return status;
}

enum status list_permute(struct arena *arena, struct store *store, const uint64_t *order,
                         uint64_t count, uint64_t version)
{
    store_lock(arena, store);
    enum status status = permute_locked(arena, store, order, count, version);
    store_unlock(store);
    return status;
}
