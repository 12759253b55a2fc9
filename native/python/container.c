#include "container.h"

#include <string.h>

#include "../sync/owned_lock.h"
#include "block.h"
#include "decode.h"
#include "encode.h"
#include "exception.h"
#include "family.h"

int container_object_init(HandleObject *self, PyObject *args, PyObject *kwargs, const char *type)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "", names) || !handle_begin_init(self, type))
        return -1;
    return handle_finish_init(self, container_create(&family, &self->handle));
}

Py_ssize_t container_object_length(HandleObject *self)
{
    return handle_is_ready(self) ? (Py_ssize_t)container_count(&family, container_of(self), NULL)
                                 : -1;
}

/* clear() */
PyObject *Container_clear(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(self))
        return NULL;
    enum status status = container_clear(&family, container_of(self));
    if (status != STATUS_OK)
        return raise_status(status);
    Py_RETURN_NONE;
}

/* _owned_lock() -> (offset, serial) of the lock that belongs to it */
PyObject *Container_owned_lock(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(self))
        return NULL;
    offset_t payload;
    uint64_t serial;
    enum status status = owned_lock_at(&family, &container_of(self)->links[CONTAINER_OWNED_LOCK],
                                       &payload, &serial);
    if (status != STATUS_OK)
        return raise_status(status);
    return Py_BuildValue("KK", (unsigned long long)payload, (unsigned long long)serial);
}

/* ---- snapshots */

bool snapshot_grow(struct snapshot *snapshot)
{
    /* More than is needed now: other processes may put more meanwhile. */
    uint64_t size = snapshot->needed + snapshot->needed / 4;
    char *bytes = PyMem_Realloc(snapshot->bytes, size);
    if (bytes == NULL) {
        PyErr_NoMemory();
        return false;
    }
    snapshot->bytes = bytes;
    snapshot->size = size;
    return true;
}

static PyObject *value_of(struct snapshot_record *record)
{
    struct message message;
    message.kind = (uint16_t)record->kind;
    message.size = record->value_bytes;
    message.data = (char *)(record + 1) + record->key_bytes + record->form_bytes;
    message.payload = record->payload;
    record->payload.offset = 0; /* decoding consumes it, even if it fails */
    return message_decode_private(&message);
}

static PyObject *key_of(const struct snapshot_record *record)
{
    return key_decode((const char *)(record + 1), record->key_bytes, record->form_bytes);
}

static PyObject *object_of(struct snapshot_record *record, unsigned parts)
{
    if (parts == SNAPSHOT_KEYS)
        return key_of(record);
    if (parts == SNAPSHOT_VALUES)
        return value_of(record);
    PyObject *key = key_of(record), *value = key ? value_of(record) : NULL;
    PyObject *pair = value ? PyTuple_Pack(2, key, value) : NULL;
    Py_XDECREF(key);
    Py_XDECREF(value);
    return pair;
}

PyObject *snapshot_objects(struct snapshot *snapshot, unsigned parts)
{
    PyObject *list = PyList_New(0);
    uint64_t at = 0;
    for (uint64_t i = 0; i < snapshot->records; i++) {
        struct snapshot_record *record = (struct snapshot_record *)(snapshot->bytes + at);
        at += snapshot_record_bytes(record);
        PyObject *object = list ? object_of(record, parts) : NULL;
        if (object == NULL || PyList_Append(list, object) != 0)
            Py_CLEAR(list); /* the payloads of the other records are only released */
        Py_XDECREF(object);
        handle_release(&family, &record->payload);
    }
    PyMem_Free(snapshot->bytes);
    return list;
}

PyObject *container_object_snapshot(HandleObject *self, unsigned parts,
                                    const struct list_range *range, uint64_t *version)
{
    struct snapshot snapshot = {.bytes = NULL};
    enum status status;
    while ((status = snapshot_take(&family, container_of(self), parts, range, &snapshot)) ==
           STATUS_AGAIN)
        if (!snapshot_grow(&snapshot)) {
            PyMem_Free(snapshot.bytes);
            return NULL;
        }
    if (status != STATUS_OK) {
        PyMem_Free(snapshot.bytes);
        return raise_status(status);
    }
    if (version)
        *version = snapshot.version;
    return snapshot_objects(&snapshot, parts);
}

/* ---- write batches */

HandleObject *new_write_batch(Py_ssize_t count)
{
    struct handle handle;
    enum status status = write_batch_create(&family, (uint64_t)count, &handle);
    if (status != STATUS_OK)
        return (HandleObject *)raise_status(status);
    return (HandleObject *)block_from_handle(handle);
}

bool pack_write_batch(HandleObject *batch, const struct item_key *key, PyObject *value)
{
    struct message message;
    PyObject *keep = message_encode(value, &message);
    if (keep == NULL)
        return false;
    enum status status = write_batch_add(&family, batch->memory, key, &message);
    if (status != STATUS_OK) {
        message_discard(&message);
        raise_status(status);
    }
    Py_DECREF(keep);
    return status == STATUS_OK;
}
