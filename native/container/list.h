/* A list in shared memory: see store.h for what holds of it.
 *
 * Idea  An item is appended, replaced or taken from the end in its place. Everything else writes the list's new
 *       order to another shelf, and what is taken out to a third, and changes them in one transaction. */
#ifndef PROCESSION_CONTAINER_LIST_H
#define PROCESSION_CONTAINER_LIST_H

#include "container.h"
#include "snapshot.h"

/* Of whom a change is asked only if the list is still at that version; then STATUS_AGAIN. */
#define LIST_ANY_VERSION UINT64_MAX

/* Positions may be negative. STATUS_MISSING: there is no such. */
enum status list_get(struct arena *arena, struct container *container, int64_t position,
                     struct message *out);
/* After STATUS_OK the message's payload is the list's. */
enum status list_set(struct arena *arena, struct container *container, int64_t position,
                     const struct message *message);
enum status list_append(struct arena *arena, struct container *container,
                        const struct message *message);
/* Takes the item out, its value goes to *out* if that is not NULL. */
enum status list_pop(struct arena *arena, struct container *container, int64_t position,
                     uint64_t version, struct message *out);

/* Puts the items of *parcel* (NULL: none) in the place of those in *range*. The parcel then has what was
 * there before, or nothing. STATUS_MISFIT: who *assigns* to a range with steps must give as many as its *places*. */
enum status list_splice(struct arena *arena, struct container *container, struct list_range range,
                        const struct handle *batch, bool assigns, uint64_t *entries);

/* Orders the items anew: at i is then what was at order[i]. STATUS_AGAIN. */
enum status list_permute(struct arena *arena, struct container *container, const uint64_t *order,
                         uint64_t count, uint64_t version);

#endif
