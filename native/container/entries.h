/* Items, and the tables of entries that hold them: the parts of mappings and lists in shared
 * memory.
 *
 * Item      A value, and in a mapping its key: written once, before it is linked, and never
 *           changed. To set a key is to link another item in the entry of the one that is there.
 * Table     A row of entries for items; that of a mapping has an index behind it (index.h).
 * Invariant An item has one reference, that of the table that owns it. A table owns the items in
 *           its entries from `start` to `used` if its word `owns` is 1, else none. So any number of
 *           items changes hands with a word or two: a new order of a list is written to another
 *           table, which owns nothing until the transaction that replaces the first one by it.
 * Crash     What lies outside of the entries that are owned belongs to no table, and is written
 *           over.
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
    word_t start, used; /* the entries that are owned, or empty */
    word_t count;       /* of those that are not empty */
    word_t tail;        /* the entries from here to `used` are empty */
    word_t done;        /* of a write batch: how many entries were carried out (container.h) */
    uint64_t capacity;  /* entries */
    uint64_t cells;     /* of the index; 0: there is none */
    struct entry entries[];
};

/* The key of an item: bytes that are the same for equal keys, then what else is needed to make the
 * same object again. */
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
/* Copies the value; of a payload it makes a handle of this process. The item's table must not
 * change meanwhile. */
enum status item_read(struct arena *arena, const struct item *item, struct message *message);
/* The block that the item owns; NULL: none. */
struct block *item_payload(struct arena *arena, const struct item *item);

/* ---- tables */

struct entries_plan {
    uint64_t capacity, cells;
};

/* The size of a table, in bytes; 0: more than an arena has. */
uint64_t entries_bytes(const struct entries_plan *plan);
/* Writes the head of a table that owns nothing. The index is not cleared. */
void entries_init(void *memory, uint64_t size, const void *plan);
/* The table at *offset*, checked; NULL: there is none. */
struct entry_table *entries_at(struct arena *arena, offset_t offset);

static inline word_t *entries_index(struct entry_table *table)
{
    return (word_t *)&table->entries[table->capacity];
}

/* ---- write batches: tables in which a process gathers items that are to be added at once */

enum status write_batch_create(struct arena *arena, uint64_t capacity, struct handle *handle);
/* Adds an item at its end. After STATUS_OK the message's payload belongs to the item. */
enum status write_batch_add(struct arena *arena, struct entry_table *batch,
                            const struct item_key *key, const struct message *message);

#endif
