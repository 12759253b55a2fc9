/* The store: the block behind a mapping or a list in shared memory.
 *
 * Idea      One mutex, and links to what the store owns: the shelf of its items, and what is in the making.
 * Mutex     `mutex` guards the shelf, also against readers: what they see is whole. Order: a store's, then
 *           the arena's. It is held for some hundred nanoseconds; by what copies or moves n items, for
 *           as long as that takes.
 * Commit    Each change is one transaction of the arena. Where it is of many items, they have been laid on
 *           a parcel before (shelf.h), or another shelf was filled that owned nothing until then.
 * Pending   An update of many keys commits when its parcel becomes the store's `pending`. Then it is
 *           carried out: each step is a transaction that puts one item in its place and the one that
 *           was there on the parcel, and counts. Nobody else looks before it has come to its end.
 * Crash     A dead owner of the mutex may have left: a transaction that is valid but not carried out (the
 *           arena's repair, forced first); a parcel that is pending (it is carried out from where it
 *           was); and shelves under `spare` and `waste`, which are dropped, with what they own.
 */
#ifndef PROCESSION_CONTAINER_CONTAINER_H
#define PROCESSION_CONTAINER_CONTAINER_H

#include "index.h"

enum container_link {
    CONTAINER_TABLE,      /* the items; 0: there is none yet */
    CONTAINER_SCRATCH,    /* in the making, or no longer used */
    CONTAINER_REMOVED,    /* for what a splice takes out */
    CONTAINER_PENDING,    /* a parcel */
    CONTAINER_OWNED_LOCK, /* the lock that programs may take; 0: nobody has asked */
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

/* ---- with the store locked */

/* The shelf, or NULL: there is none. STATUS_CORRUPT. */
enum status container_table(struct arena *arena, struct container *container,
                            struct entry_table **table);
/* A shelf under *link*, which is empty; it owns nothing. */
enum status container_add_table(struct arena *arena, struct container *container,
                                enum container_link link, const struct entries_plan *plan,
                                struct entry_table **table);
/* Puts another shelf in the place of *shelf* (NULL: there is none yet), with its items. */
enum status container_replace_table(struct arena *arena, struct container *container,
                                    struct entry_table *table, const struct entries_plan *plan);
/* Stages that the shelf under CONTAINER_SCRATCH and the store's own change places. */
void container_stage_swap(struct arena *arena, struct container *container);
/* Drops what is under `spare` and `waste`. */
void container_release_scratch(struct arena *arena, struct container *container);
/* Carries out what is pending. */
enum status container_finish_pending(struct arena *arena, struct container *container);
/* Commits what is staged, the arena being locked, and takes apart what died of it. */
void container_commit(struct arena *arena);

#endif
