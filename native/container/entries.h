/* Items, and the shelves on which they stand: what mappings and lists in shared memory are made of.
 *
 * Item      A value, and in a mapping its key: written once, before it is linked, and never changed.
 *           To set a key is to put another item in the place of the one that is there.
 * Shelf     A row of places for items; that of a mapping has an index behind it (index.h).
 * Invariant An item has one reference, that of the shelf that owns it. A shelf owns the items in its
 *           places from `start` to `used` if its word `owns` is 1, else none. So any number of items
 *           changes hands with a word or two: a new order of a list is written to another shelf,
 *           which owns nothing until the transaction that puts it in the first one's place.
 * Crash     What lies outside of the places that are owned is nobody's, and is written over.
 */
#ifndef PROCESSION_CONTAINER_ENTRIES_H
#define PROCESSION_CONTAINER_ENTRIES_H

#include "../channel/channel.h"

struct item {
    word_t payload;  /* RECORD_PAYLOAD: offset of the block, which the item owns */
    uint64_t serial; /* of that block */
    uint32_t key_bytes;
    uint32_t form_bytes;
    uint32_t value_bytes;
    uint32_t kind; /* enum record_kind of the value */
    char bytes[];  /* of the key, of its form, of the value */
};

struct entry {
    word_t item;   /* offset; 0: empty */
    uint64_t hash; /* of the item's key; written before the item is linked */
};

struct entry_table {
    word_t owns;        /* 0 or 1 */
    word_t start, used; /* the places that are owned, or empty */
    word_t count;       /* of those that are not empty */
    word_t tail;        /* the places from here to `used` are empty */
    word_t done;        /* of a parcel: so many places were carried out (store.h) */
    uint64_t capacity;  /* places */
    uint64_t slots;     /* of the index; 0: there is none */
    struct entry entries[];
};

/* What an item's key is: bytes that are the same for equal keys, then what else is needed to have the very
 * key back. */
struct item_key {
    const char *bytes; /* size + form_bytes of them */
    uint32_t size, form_bytes;
    uint64_t hash;
};

void entries_register(void);

/* ---- items */

/* The item at *offset*, checked; NULL: there is none. */
struct item *item_at(struct arena *arena, offset_t offset);
/* Stages an item with one reference. A payload passes to it from this process. *key* NULL: none. */
enum status item_stage(struct arena *arena, const struct item_key *key,
                       const struct message *message, offset_t *item);
/* A copy of the value; of a payload a handle, which is this process's. The item's shelf must not change
 * meanwhile. */
enum status item_read(struct arena *arena, const struct item *item, struct message *message);
/* The block that the item owns; NULL: none. */
struct block *item_payload(struct arena *arena, const struct item *item);

/* ---- shelves */

struct entries_plan {
    uint64_t capacity, slots;
};

/* Bytes of a shelf; 0: more than an arena has. */
uint64_t entries_bytes(const struct entries_plan *plan);
/* Writes the head of a shelf that owns nothing. The index is not cleared. */
void entries_init(void *memory, uint64_t size, const void *plan);
/* The shelf at *offset*, checked; NULL: there is none. */
struct entry_table *entries_at(struct arena *arena, offset_t offset);

static inline word_t *entries_index(struct entry_table *table)
{
    return (word_t *)&table->entries[table->capacity];
}

/* ---- parcels: shelves on which a process gathers items that shall be put somewhere at a time */

enum status write_batch_create(struct arena *arena, uint64_t capacity, struct handle *handle);
/* One more item at its end. After STATUS_OK the message's payload is the item's. */
enum status write_batch_add(struct arena *arena, struct entry_table *batch,
                            const struct item_key *key, const struct message *message);

#endif
