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

enum store_link {
    STORE_SHELF,      /* the items; 0: there is none yet */
    STORE_SPARE,      /* in the making, or no longer used */
    STORE_WASTE,      /* for what a splice takes out */
    STORE_PENDING,    /* a parcel */
    STORE_OWNED_LOCK, /* the lock that programs may take; 0: nobody has asked */
    STORE_LINKS,
};

struct store {
    struct mutex mutex;
    uint64_t seed[2]; /* of the hashes */
    word_t version;   /* of a list: how often it was changed */
    word_t links[STORE_LINKS];
};

void store_register(void);
enum status store_create(struct arena *arena, struct handle *handle);

void store_lock(struct arena *arena, struct store *store); /* repairs what a dead owner left */
void store_unlock(struct store *store);

/* How many items there are; *version* may be NULL. */
uint64_t store_count(struct arena *arena, struct store *store, uint64_t *version);
enum status store_clear(struct arena *arena, struct store *store);

/* ---- with the store locked */

/* The shelf, or NULL: there is none. STATUS_CORRUPT. */
enum status store_shelf(struct arena *arena, struct store *store, struct shelf **shelf);
/* A shelf under *link*, which is empty; it owns nothing. */
enum status store_add_shelf(struct arena *arena, struct store *store, enum store_link link,
                            const struct shelf_plan *plan, struct shelf **shelf);
/* Puts another shelf in the place of *shelf* (NULL: there is none yet), with its items. */
enum status store_renew(struct arena *arena, struct store *store, struct shelf *shelf,
                        const struct shelf_plan *plan);
/* Stages that the shelf under STORE_SPARE and the store's own change places. */
void store_stage_swap(struct arena *arena, struct store *store);
/* Drops what is under `spare` and `waste`. */
void store_tidy(struct arena *arena, struct store *store);
/* Carries out what is pending. */
enum status store_carry_on(struct arena *arena, struct store *store);
/* Commits what is staged, the arena being locked, and takes apart what died of it. */
void store_commit(struct arena *arena);

#endif
