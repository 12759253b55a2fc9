/* A mapping in shared memory: see store.h for what holds of it, index.h for how keys are found. */
#ifndef PROCESSION_CONTAINER_DICT_H
#define PROCESSION_CONTAINER_DICT_H

#include "container.h"
#include "snapshot.h"

/* *out* NULL: only whether it is there. STATUS_MISSING. */
enum status dict_get(struct arena *arena, struct container *container, const struct item_key *key,
                     struct message *out);
/* After STATUS_OK the message's payload is the mapping's. */
enum status dict_set(struct arena *arena, struct container *container, const struct item_key *key,
                     const struct message *message);
/* STATUS_OK: the key was there, its value is in *out*. STATUS_MISSING: now it has the message's. */
enum status dict_set_default(struct arena *arena, struct container *container,
                             const struct item_key *key, const struct message *message,
                             struct message *out);
/* Takes the key out, its value goes to *out* if that is not NULL. STATUS_MISSING. */
enum status dict_pop(struct arena *arena, struct container *container, const struct item_key *key,
                     struct message *out);
/* Takes out the key that came last. STATUS_MISSING: there is none; STATUS_AGAIN: *out* needs more room. */
enum status dict_pop_last(struct arena *arena, struct container *container, struct snapshot *out);
/* Sets all keys of the parcel, in its order. After STATUS_OK the parcel is the mapping's. */
enum status dict_update(struct arena *arena, struct container *container, struct handle *batch);

#endif
