/* The index of a mapping's shelf: from a key to the place of its item.
 *
 * Idea      Places are filled in order and never again, so they keep the order in which keys came. The index
 *           is a hash table of words: the upper half of a hash, and a place's number plus one; 0: free.
 *           Looked up by linear probing. A word whose place is empty was of a key that is gone;
 *           probing goes on behind it.
 * Invariant Each item is found from its hash. At most two of three words are used, for there are no more
 *           places, and no place gets a second word.
 * Source    The order: the dict of CPython since 3.6 (Hettinger, 2012).
 */
#ifndef PROCESSION_CONTAINER_INDEX_H
#define PROCESSION_CONTAINER_INDEX_H

#include "entries.h"

/* Where a key is, or would be. */
struct lookup {
    uint64_t entry;
    uint64_t slot;     /* of the index: free, if the key is missing */
    struct item *item; /* NULL: missing */
};

/* A shelf with an index that has room for *count* items. */
struct entries_plan index_plan(uint64_t count);

/* STATUS_OK, STATUS_MISSING, STATUS_CORRUPT. *shelf* has an index. */
enum status index_find(struct arena *arena, struct entry_table *table, const struct item_key *key,
                       struct lookup *lookup);

/* Copies the places of *from* that are not empty to *to*, which owns nothing yet, and indexes them. */
void index_build(struct entry_table *to, struct entry_table *from);

/* Stages that *item* stands in the next place, which must be there, of the key that is missing at *spot*. */
void index_stage_new(struct arena *arena, struct entry_table *table, const struct lookup *lookup,
                     offset_t item, uint64_t hash);

#endif
