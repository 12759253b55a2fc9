/* What the bindings of mappings and lists in shared memory share.
 *
 * Rule  Objects are encoded before the container's mutex is taken, and decoded after it was
 *       released. */
#ifndef PROCESSION_PYTHON_CONTAINER_H
#define PROCESSION_PYTHON_CONTAINER_H

#include "../container/snapshot.h"
#include "../os/siphash.h"
#include "dict_key.h"
#include "handle.h"

static inline struct container *container_of(HandleObject *self)
{
    return self->memory;
}

/* __init__ of mappings and lists; *type* is the word for its errors. 0, or -1 with an exception
 * set. */
int container_object_init(HandleObject *self, PyObject *args, PyObject *kwargs, const char *type);
/* -1: exception set. */
Py_ssize_t container_object_length(HandleObject *self);
PyObject *Container_clear(HandleObject *self, PyObject *unused);
PyObject *Container_owned_lock(HandleObject *self, PyObject *unused);

static inline struct item_key item_key_of(HandleObject *self, const struct key *key)
{
    return (struct item_key){key->bytes, (uint32_t)key->form, (uint32_t)(key->size - key->form),
                             siphash(container_of(self)->seed, key->bytes, key->form)};
}

/* ---- snapshots: private copies of what is there at one moment */

/* A list of the keys, the values, or pairs of both; NULL: exception set. *version* may be NULL. */
PyObject *container_object_snapshot(HandleObject *self, unsigned parts,
                                    const struct list_range *range, uint64_t *version);
/* More room for what did not fit. False: exception set. */
bool snapshot_grow(struct snapshot *snapshot);
/* A list of the objects in the snapshot, which is freed; NULL: exception set. */
PyObject *snapshot_objects(struct snapshot *snapshot, unsigned parts);

/* ---- write batches: what shall be put there at a time */

/* A Block object around a new batch with room for *count* items; NULL: exception set. */
HandleObject *new_write_batch(Py_ssize_t count);
/* False: exception set. *key* NULL: none. */
bool pack_write_batch(HandleObject *batch, const struct item_key *key, PyObject *value);

#endif
