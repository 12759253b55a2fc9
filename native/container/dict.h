/* A mapping in shared memory: see container.h for its rules, index.h for how keys are found. */
#ifndef PROCESSION_CONTAINER_DICT_H
#define PROCESSION_CONTAINER_DICT_H

#include "container.h"
#include "snapshot.h"

/* *out* NULL: only asks whether the key is there. STATUS_MISSING. */
enum status dict_get(struct arena *arena, struct container *container, const struct item_key *key,
                     struct message *out);
/* After STATUS_OK the message's payload belongs to the mapping. */
enum status dict_set(struct arena *arena, struct container *container, const struct item_key *key,
                     const struct message *message);
/* STATUS_OK: the key was there, its value is in *out*. STATUS_MISSING: it was set. */
enum status dict_set_default(struct arena *arena, struct container *container,
                             const struct item_key *key, const struct message *message,
                             struct message *out);
/* Removes the key; its value goes to *out* if that is not NULL. STATUS_MISSING. */
enum status dict_pop(struct arena *arena, struct container *container, const struct item_key *key,
                     struct message *out);
/* Removes the newest key. STATUS_MISSING: there is none; STATUS_AGAIN: *out* needs more room. */
enum status dict_pop_last(struct arena *arena, struct container *container, struct snapshot *out);
/* Sets all keys of the batch, in its order. After STATUS_OK the batch belongs to the mapping. */
enum status dict_update(struct arena *arena, struct container *container, struct handle *batch);

#endif
