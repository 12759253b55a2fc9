#include "batch.h"

#include <string.h>

#include "../channel/batch.h"
#include "arguments.h"
#include "channel_transfer.h"
#include "decode.h"
#include "encode.h"
#include "exception.h"
#include "family.h"
#include "ready_fd.h"

/* ---- put */

struct outgoing {
    char *records; /* a record with a payload has the handle as its data */
    size_t size, capacity;
    uint32_t *sizes; /* of each record: to be put, in bytes; 0 for one with a payload */
    uint32_t count;
};

static bool make_space(struct outgoing *batch, size_t more)
{
    if (batch->size + more <= batch->capacity)
        return true;
    size_t capacity = 2 * batch->capacity + more + 4096;
    char *grown = PyMem_Realloc(batch->records, capacity);
    if (grown == NULL) {
        PyErr_NoMemory();
        return false;
    }
    batch->records = grown;
    batch->capacity = capacity;
    return true;
}

static bool add(struct outgoing *batch, PyObject *object)
{
    struct message message;
    message.tag = message.extra = 0;
    PyObject *keep = message_encode(object, &message);
    if (keep == NULL)
        return false;
    bool has_payload = message.kind == RECORD_PAYLOAD;
    if (has_payload) {
        message.data = &message.payload;
        message.size = sizeof message.payload;
    }
    bool done = make_space(batch, record_bytes(message.size));
    if (done) {
        uint64_t bytes = batch_write(batch->records + batch->size, &message);
        batch->sizes[batch->count++] = has_payload ? 0 : (uint32_t)bytes;
        batch->size += bytes;
    } else
        message_discard(&message);
    Py_DECREF(keep);
    return done;
}

/* The handle of a payload in the batch, as a message of its own. */
static void payload_message(const char *records, struct message *message)
{
    batch_read(records, message);
    memcpy(&message->payload, message->data, sizeof message->payload);
}

/* Lets go of the payloads from the *first* record on, at *at*. */
static void discard(struct outgoing *batch, uint32_t first, size_t at)
{
    struct message message;
    for (uint32_t i = first; i < batch->count; i++) {
        if (batch->sizes[i] == 0) {
            payload_message(batch->records + at, &message);
            message_discard(&message);
        }
        at += record_bytes(((struct record *)(batch->records + at))->size);
    }
}

static enum status put_some(ChannelObject *self, const struct outgoing *batch, uint32_t first,
                            size_t at, uint32_t *done, uint64_t *bytes)
{
    struct channel *channel = channel_of(self);
    const char *records = batch->records + at;
    uint32_t small = 0;
    while (first + small < batch->count && batch->sizes[first + small] != 0)
        small++;
    if (small > 0)
        return channel_try_put_batch(&family, channel, records, small, done, bytes);
    struct message message;
    payload_message(records, &message);
    enum status status = channel_try_put(&family, channel, &message);
    *done = status == STATUS_OK;
    *bytes = record_bytes(sizeof message.payload);
    return status;
}

/* Until all are put or *deadline* has passed; how many were, or -1 with an exception set. */
static Py_ssize_t put_all(ChannelObject *self, struct outgoing *batch, deadline_t deadline)
{
    uint32_t first = 0, done;
    size_t at = 0;
    uint64_t bytes;
    enum status status = STATUS_OK;
    bool raised = false;
    while (first < batch->count) {
        status = put_some(self, batch, first, at, &done, &bytes);
        if (status == STATUS_OK) {
            first += done;
            at += bytes;
        } else if (status != STATUS_AGAIN || deadline == 0)
            break;
        else if (!channel_await(self, CHANNEL_ROOM, &deadline)) {
            raised = true;
            break;
        }
    }
    discard(batch, first, at);
    if (raised)
        return -1;
    if (first < batch->count && (first == 0 || status != STATUS_AGAIN)) {
        channel_raise(status, CHANNEL_ROOM);
        return -1;
    }
    return first;
}

static Py_ssize_t put_list(ChannelObject *self, PyObject *list, deadline_t deadline)
{
    struct outgoing batch = {NULL, 0, 0, NULL, 0};
    Py_ssize_t count = PyList_Size(list), put = -1, i = 0;
    batch.sizes = PyMem_Calloc((size_t)count + 1, sizeof *batch.sizes);
    if (batch.sizes == NULL)
        PyErr_NoMemory();
    else {
        while (i < count && add(&batch, PyList_GetItem(list, i)))
            i++;
        if (i == count)
            put = put_all(self, &batch, deadline);
        else
            discard(&batch, 0, 0);
    }
    PyMem_Free(batch.sizes);
    PyMem_Free(batch.records);
    return put;
}

/* Channel.put_many(items, block=True, timeout=None) -> how many were put */
PyObject *Channel_put_many(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *names)
{
    deadline_t deadline;
    PyObject *items = NULL;
    if (!channel_is_open(self) || !parse_wait(args, nargs, names, "put_many", &items, &deadline))
        return NULL;
    PyObject *list = PySequence_List(items); /* pickling may change what it was given */
    if (list == NULL)
        return NULL;
    self->used = true;
    Py_ssize_t put = put_list(self, list, deadline);
    Py_DECREF(list);
    return put < 0 ? NULL : PyLong_FromSsize_t(put);
}

/* ---- get */

struct incoming {
    PyObject *items, *error; /* error: of the first object that could not be rebuilt */
};

static bool keep(struct incoming *got, struct message *message)
{
    PyObject *object = message_decode(message);
    if (object == NULL) {
        PyObject *error = take_exception();
        if (got->error == NULL)
            got->error = error;
        else
            Py_XDECREF(error);
        return true;
    }
    int failed = PyList_Append(got->items, object);
    Py_DECREF(object);
    return failed == 0;
}

/* Takes what is there, up to *limit*, without waiting. STATUS_OK also when that is nothing more. */
static enum status take_some(ChannelObject *self, char *records, uint32_t limit,
                             struct incoming *got, bool *failed)
{
    struct channel *channel = channel_of(self);
    struct message message;
    uint32_t done;
    enum status status = channel_try_get_batch(&family, channel, records, limit, &done);
    if (status == STATUS_OK && done == 0) {
        status = channel_try_get(&family, channel, &message, NULL);
        *failed = status == STATUS_OK && !keep(got, &message);
        return status;
    }
    for (uint64_t at = 0; done > 0 && !*failed; done--) {
        at += batch_read(records + at, &message);
        *failed = !keep(got, &message);
    }
    return status;
}

/* False: exception set. */
static bool take_many(ChannelObject *self, char *records, Py_ssize_t limit, deadline_t deadline,
                      struct incoming *got)
{
    bool failed = false;
    for (;;) {
        Py_ssize_t have = PyList_Size(got->items);
        if (have >= limit || got->error)
            return true;
        Py_ssize_t rest = limit - have;
        enum status status = take_some(
            self, records, rest < UINT32_MAX ? (uint32_t)rest : UINT32_MAX, got, &failed);
        if (failed)
            return false;
        if (status == STATUS_OK)
            continue;
        if (have > 0) /* what is wrong, if anything, the next call will meet as well */
            return true;
        if (status != STATUS_AGAIN || deadline == 0) {
            channel_raise(status, CHANNEL_MESSAGES);
            return false;
        }
        if (!channel_await(self, CHANNEL_MESSAGES, &deadline))
            return false;
    }
}

static PyObject *give(struct incoming *got)
{
    if (got->error == NULL)
        return Py_NewRef(got->items);
    if (PyObject_SetAttrString(got->error, "items", got->items) != 0)
        PyErr_Clear(); /* an exception with slots of its own: better it than none */
    PyErr_SetObject((PyObject *)Py_TYPE(got->error), got->error);
    return NULL;
}

static PyObject *get_list(ChannelObject *self, Py_ssize_t limit, deadline_t deadline)
{
    struct incoming got = {PyList_New(0), NULL};
    char *records = PyMem_Malloc(BATCH_BYTES);
    PyObject *result = NULL;
    if (records == NULL)
        PyErr_NoMemory();
    else if (got.items && take_many(self, records, limit, deadline, &got))
        result = give(&got);
    if (self->waker)
        channel_update_waker(self);
    PyMem_Free(records);
    Py_XDECREF(got.items);
    Py_XDECREF(got.error);
    return result;
}

/* Channel.get_many(limit, block=True, timeout=None) -> list of 1 to limit objects */
PyObject *Channel_get_many(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *names)
{
    deadline_t deadline;
    PyObject *limit_object = NULL;
    if (!channel_is_open(self) ||
        !parse_wait(args, nargs, names, "get_many", &limit_object, &deadline))
        return NULL;
    Py_ssize_t limit = PyLong_AsSsize_t(limit_object);
    if (limit == -1 && PyErr_Occurred())
        return NULL;
    if (limit < 1)
        return PyErr_Format(PyExc_ValueError, "get_many() of %zd items: ask for 1 or more", limit);
    return get_list(self, limit, deadline);
}
