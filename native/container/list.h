/* A list in shared memory: see container.h for its rules.
 *
 * Idea  An item is appended, replaced or removed from the end where it is. Every other operation
 *       writes the list's new order to another table, and the items that it removes to a third, and
 *       exchanges them in one transaction. */
#ifndef PROCESSION_CONTAINER_LIST_H
#define PROCESSION_CONTAINER_LIST_H

#include "container.h"
#include "snapshot.h"

/* A change names the version that the list must still have; if it has another, STATUS_AGAIN. This
 * stands for every version. */
#define LIST_ANY_VERSION UINT64_MAX

/* Positions may be negative. STATUS_MISSING: there is no such position. */
enum status list_get(struct arena *arena, struct container *container, int64_t position,
                     struct message *out);
/* After STATUS_OK the message's payload belongs to the list. */
enum status list_set(struct arena *arena, struct container *container, int64_t position,
                     const struct message *message);
enum status list_append(struct arena *arena, struct container *container,
                        const struct message *message);
/* Removes the item; its value goes to *out* if that is not NULL. */
enum status list_pop(struct arena *arena, struct container *container, int64_t position,
                     uint64_t version, struct message *out);

/* Replaces the items in *range* by those of *batch* (NULL: by none). The batch then has what was
 * there before, or nothing. *taken* says how many items the range has. STATUS_MISFIT: a call that
 * *assigns* to a range with steps must give just as many. */
enum status list_splice(struct arena *arena, struct container *container, struct list_range range,
                        const struct handle *batch, bool assigns, uint64_t *taken);

/* Orders the items anew: position i then has what was at order[i]. STATUS_AGAIN. */
enum status list_permute(struct arena *arena, struct container *container, const uint64_t *order,
                         uint64_t count, uint64_t version);

#endif
