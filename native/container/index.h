/* The index of a mapping's table: from a key to the entry of its item.
 *
 * Idea      Entries are filled in order and never again, so they keep the order in which keys came.
 *           The index is a hash table of words: the upper half of a hash, and the number of an
 *           entry plus one; 0: free. It is searched by linear probing. A word whose entry is empty
 *           was that of a key that is gone; probing goes on behind it.
 * Invariant Each item is found from its hash. At most two of three words are used, for there are no
 *           more entries, and no entry gets a second word.
 * Source    The order: the dict of CPython since 3.6 (Hettinger, 2012).
 */
#ifndef PROCESSION_CONTAINER_INDEX_H
#define PROCESSION_CONTAINER_INDEX_H

#include "entries.h"

/* Where a key was found, or would be. */
struct lookup {
    uint64_t entry;
    uint64_t cell;     /* of the index: free, if the key is missing */
    struct item *item; /* NULL: missing */
};

/* The plan of a table with an index that has room for *count* items. */
struct entries_plan index_plan(uint64_t count);

/* STATUS_OK, STATUS_MISSING, STATUS_CORRUPT. The table has an index. */
enum status index_find(struct arena *arena, struct entry_table *table, const struct item_key *key,
                       struct lookup *lookup);

/* Copies the entries of *from* that are not empty to *to*, which owns nothing yet, and indexes
 * them. */
void index_build(struct entry_table *to, struct entry_table *from);

/* Stages that the next entry, for which there must be room, gets *item*, whose key *lookup* did not
 * find. */
void index_stage_new(struct arena *arena, struct entry_table *table, const struct lookup *lookup,
                     offset_t item, uint64_t hash);

#endif
