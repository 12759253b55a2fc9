/* The container: the block behind a mapping or a list in shared memory.
 *
 * Idea      One mutex, and links to what the container owns: the table of its entries, and tables
 *           that are being built.
 * Mutex     `mutex` guards the table, also against readers: what they see is whole. Order: a
 *           container's, then the arena's. It is held for some hundred nanoseconds; by an operation
 *           that copies or moves n items, for as long as that takes.
 * Commit    Each change is one transaction of the arena. Before a change of many items, they were
 *           gathered in a write batch (entries.h), or another table was filled that owned nothing
 *           until then.
 * Pending   An update of many keys commits when its batch becomes the container's `pending`. Then
 *           it is carried out: each step is a transaction that moves one item to its entry, moves
 *           the one that was there to the batch, and counts. No other process looks before all
 *           steps are done.
 * Crash     A dead owner of the mutex may have left: a transaction that is valid but not carried
 *           out (the arena's repair, forced first); a batch that is pending (it is carried out from
 *           where it was); and tables under `scratch` and `removed`, which are released with what
 *           they own.
 */
#ifndef PROCESSION_CONTAINER_CONTAINER_H
#define PROCESSION_CONTAINER_CONTAINER_H

#include "index.h"

enum container_link {
    CONTAINER_TABLE,      /* the entries; 0: there is none yet */
    CONTAINER_SCRATCH,    /* being built, or no longer used */
    CONTAINER_REMOVED,    /* for the items that a splice removes */
    CONTAINER_PENDING,    /* a write batch */
    CONTAINER_OWNED_LOCK, /* the lock that programs may take; 0: not made yet */
    CONTAINER_LINKS,
};

struct container {
    struct mutex mutex;
    uint64_t seed[2]; /* of the hashes */
    word_t version;   /* of a list: how often it was changed */
    word_t links[CONTAINER_LINKS];
};

void container_register(void);
enum status container_create(struct arena *arena, struct handle *handle);

void container_lock(struct arena *arena,
                    struct container *container); /* repairs what a dead owner left */
void container_unlock(struct container *container);

/* How many items there are; *version* may be NULL. */
uint64_t container_count(struct arena *arena, struct container *container, uint64_t *version);
enum status container_clear(struct arena *arena, struct container *container);

/* ---- with the container locked */

/* The table, or NULL: there is none. STATUS_CORRUPT. */
enum status container_table(struct arena *arena, struct container *container,
                            struct entry_table **table);
/* Makes a table under *link*, which is empty; it owns nothing. */
enum status container_add_table(struct arena *arena, struct container *container,
                                enum container_link link, const struct entries_plan *plan,
                                struct entry_table **table);
/* Replaces *table* (NULL: there is none yet) by another one, with the same items. */
enum status container_replace_table(struct arena *arena, struct container *container,
                                    struct entry_table *table, const struct entries_plan *plan);
/* Stages that the table under CONTAINER_SCRATCH and the container's own are exchanged. */
void container_stage_swap(struct arena *arena, struct container *container);
/* Releases what is under `scratch` and `removed`. */
void container_release_scratch(struct arena *arena, struct container *container);
/* Carries out what is pending. */
enum status container_finish_pending(struct arena *arena, struct container *container);
/* Commits what is staged, with the arena locked, and reclaims what is not referenced any more. */
void container_commit(struct arena *arena);

#endif
