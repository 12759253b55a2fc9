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

/* ---- memory for records */

/* As much as one call of the core can move, and one record more. */
enum { BUFFER_BYTES = BATCH_BYTES + sizeof(struct record) + RECORD_DATA_LIMIT };

static char *unused_buffer; /* kept to be used again; guarded by the GIL */

/* NULL: exception set. */
static char *take_buffer(void)
{
    char *buffer = unused_buffer ? unused_buffer : PyMem_Malloc(BUFFER_BYTES);
    unused_buffer = NULL;
    if (buffer == NULL)
        PyErr_NoMemory();
    return buffer;
}

static void give_back(char *buffer)
{
    if (unused_buffer)
        PyMem_Free(buffer);
    else
        unused_buffer = buffer;
}

/* ---- put */

/* More records than one call of the core can take. */
enum { PART_MOST = BATCH_BYTES / sizeof(struct record) + 1 };

struct outgoing {
    char *records; /* a record with a payload has the handle as its data */
    size_t size, capacity;
    size_t at;         /* where the first record lies that was not put yet */
    uint32_t count;    /* how many were not put yet */
    uint32_t payloads; /* and of those, how many have one */
    Py_ssize_t put;    /* how many were */
    uint64_t first;    /* the number of the first that was put */
};

/* False: exception set. */
static bool begin(struct outgoing *batch)
{
    *batch = (struct outgoing){.records = take_buffer(), .capacity = BUFFER_BYTES};
    return batch->records != NULL;
}

static const struct record *record_in(const struct outgoing *batch, size_t at)
{
    return (const struct record *)(batch->records + at);
}

static bool make_space(struct outgoing *batch, size_t more)
{
    if (batch->size + more <= batch->capacity)
        return true;
    size_t capacity = 2 * batch->capacity + more;
    char *grown = PyMem_Realloc(batch->records, capacity);
    if (grown == NULL) {
        PyErr_NoMemory();
        return false;
    }
    batch->records = grown;
    batch->capacity = capacity;
    return true;
}

/* False: exception set. */
static bool add(struct outgoing *batch, PyObject *object, uint64_t label, uint64_t extra)
{
    struct message message;
    message.label = label;
    message.extra = extra;
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
        batch->size += batch_write(batch->records + batch->size, &message);
        batch->count++;
        batch->payloads += has_payload;
    } else
        message_discard(&message);
    Py_DECREF(keep);
    return done;
}

/* The handle of a payload in the batch, as a message of its own. */
static void payload_message(const struct outgoing *batch, size_t at, struct message *message)
{
    batch_read(batch->records + at, message);
    memcpy(&message->payload, message->data, sizeof message->payload);
}

/* Releases the payloads that were not put, and the memory. */
static void end(struct outgoing *batch)
{
    struct message message;
    for (; batch->count > 0; batch->count--) {
        if (record_in(batch, batch->at)->kind == RECORD_PAYLOAD) {
            payload_message(batch, batch->at, &message);
            message_discard(&message);
        }
        batch->at += record_bytes(record_in(batch, batch->at)->size);
    }
    if (batch->capacity == BUFFER_BYTES)
        give_back(batch->records);
    else
        PyMem_Free(batch->records);
}

/* How many records without a payload come first. */
static uint32_t count_small(const struct outgoing *batch)
{
    uint32_t small = 0, most = batch->count < PART_MOST ? batch->count : PART_MOST;
    if (batch->payloads == 0)
        return most;
    for (size_t at = batch->at; small < most; small++) {
        if (record_in(batch, at)->kind == RECORD_PAYLOAD)
            break;
        at += record_bytes(record_in(batch, at)->size);
    }
    return small;
}

static enum status put_part(ChannelObject *self, struct outgoing *batch)
{
    struct channel *channel = channel_of(self);
    struct batch_part part = {1, record_bytes(sizeof(struct handle)), 0};
    enum status status;
    uint32_t small = count_small(batch);
    if (small > 0)
        status = channel_try_put_batch(&family, channel, batch->records + batch->at, small, &part);
    else {
        struct message message;
        payload_message(batch, batch->at, &message);
        status = channel_try_put(&family, channel, &message);
        part.sequence = message.sequence;
    }
    if (status != STATUS_OK)
        return status;
    batch->first = batch->put ? batch->first : part.sequence;
    batch->put += part.count;
    batch->payloads -= small == 0;
    batch->count -= part.count;
    batch->at += part.bytes;
    return STATUS_OK;
}

/* Until all are put or *deadline* has passed, which is STATUS_AGAIN. Else: exception set. */
static enum status put_all(ChannelObject *self, struct outgoing *batch, deadline_t deadline)
{
    self->used = true;
    while (batch->count > 0) {
        enum status status = put_part(self, batch);
        if (status == STATUS_OK)
            continue;
        if (status != STATUS_AGAIN) {
            channel_raise(status, CHANNEL_ROOM);
            return status;
        }
        if (deadline == 0)
            return status;
        if (!channel_await(self, CHANNEL_ROOM, &deadline))
            return STATUS_INTERRUPTED;
    }
    return STATUS_OK;
}

/* How many were put, one at least; -1: exception set. */
static Py_ssize_t put_list(ChannelObject *self, PyObject *list, deadline_t deadline)
{
    struct outgoing batch;
    if (!begin(&batch))
        return -1;
    for (Py_ssize_t i = 0; i < PyList_Size(list); i++)
        if (!add(&batch, PyList_GetItem(list, i), 0, 0)) {
            end(&batch);
            return -1;
        }
    enum status status = put_all(self, &batch, deadline);
    end(&batch);
    if (status == STATUS_AGAIN && batch.put == 0)
        channel_raise(status, CHANNEL_ROOM);
    return PyErr_Occurred() ? -1 : batch.put;
}

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

/* Encodes objects of the list from *i* on, as many as one call of the core can take. False:
 * exception set; those before are in the batch. */
static bool fill(struct outgoing *batch, PyObject *list, Py_ssize_t *i, uint64_t label,
                 uint64_t extra)
{
    bool done = true;
    batch->size = batch->at = 0; /* all that was in it was put */
    while (done && *i < PyList_Size(list) && batch->size < BATCH_BYTES) {
        PyObject *object = Py_NewRef(PyList_GetItem(list, *i)); /* pickling may change the list */
        done = add(batch, object, label, extra);
        Py_DECREF(object);
        *i += done;
    }
    return done;
}

PyObject *TaskChannel_send_batch(ChannelObject *self, PyObject *args)
{
    PyObject *list, *error = NULL;
    unsigned long long label, extra;
    struct outgoing batch;
    if (!PyArg_ParseTuple(args, "O!KK", &PyList_Type, &list, &label, &extra) ||
        !channel_is_open(self) || !begin(&batch))
        return NULL;
    for (Py_ssize_t i = 0; error == NULL && i < PyList_Size(list);) {
        bool done = fill(&batch, list, &i, label, extra);
        if (!done)
            error = take_exception();
        if (put_all(self, &batch, DEADLINE_NEVER) != STATUS_OK) {
            Py_XDECREF(error);
            error = take_exception();
        }
    }
    end(&batch);
    return Py_BuildValue("(KnN)", (unsigned long long)batch.first, batch.put,
                         error ? error : Py_NewRef(Py_None));
}

/* ---- get */

struct incoming {
    PyObject *list;
    Py_ssize_t count;  /* how many were appended to it */
    bool with_tags;    /* each as message_decode_with_tags() has it */
    PyObject *error;   /* without labels: of the first object that could not be rebuilt */
    PyObject *failure; /* the first that kept an object from being appended */
    bool one_by_one;   /* the last had a payload: the next may have one, too */
};

static void remember(PyObject **first, PyObject *error)
{
    if (*first == NULL)
        *first = error;
    else
        Py_XDECREF(error);
}

/* No exception is set afterwards: other messages were taken with this one, and are kept as well. */
static void keep(struct incoming *got, struct message *message)
{
    PyObject *object = got->with_tags ? message_decode_with_tags(message) : message_decode(message);
    if (object == NULL)
        remember(got->with_tags ? &got->failure : &got->error, take_exception());
    else if (PyList_Append(got->list, object) != 0)
        remember(&got->failure, take_exception());
    else
        got->count++;
    Py_XDECREF(object);
}

/* Takes what is there, up to *limit*, without waiting. STATUS_OK also when that is nothing more. */
static enum status take_some(ChannelObject *self, char *records, uint32_t limit,
                             struct incoming *got)
{
    struct channel *channel = channel_of(self);
    struct message message;
    uint32_t done = 0;
    enum status status = STATUS_OK;
    if (!got->one_by_one && channel_size(channel) > 1)
        status = channel_try_get_batch(&family, channel, records, limit, &done);
    if (status == STATUS_OK && done == 0) {
        status = channel_try_get(&family, channel, &message, NULL);
        got->one_by_one = status == STATUS_OK && message.kind == RECORD_PAYLOAD;
        if (status == STATUS_OK)
            keep(got, &message);
        return status;
    }
    for (uint64_t at = 0; done > 0; done--) {
        at += batch_read(records + at, &message);
        keep(got, &message);
    }
    return status;
}

/* False: exception set. */
static bool take_many(ChannelObject *self, char *records, Py_ssize_t limit, deadline_t deadline,
                      struct incoming *got)
{
    while (got->count < limit && !got->error && !got->failure) {
        Py_ssize_t rest = limit - got->count;
        enum status status = take_some(self, records,
                                       rest < UINT32_MAX ? (uint32_t)rest : UINT32_MAX, got);
        if (status == STATUS_OK)
            continue;
        if (got->count > 0) /* an error of the channel is raised by the next call */
            return true;
        if (status != STATUS_AGAIN || deadline == 0) {
            channel_raise(status, CHANNEL_MESSAGES);
            return false;
        }
        if (!channel_await(self, CHANNEL_MESSAGES, &deadline))
            return false;
    }
    return true;
}

/* take_many() with a buffer. False: exception set. */
static bool receive(ChannelObject *self, Py_ssize_t limit, deadline_t deadline,
                    struct incoming *got)
{
    char *records = take_buffer();
    if (records == NULL)
        return false;
    bool done = take_many(self, records, limit, deadline, got);
    if (self->waker)
        channel_update_waker(self);
    give_back(records);
    if (got->failure) {
        Py_CLEAR(got->error);
        raise_object(got->failure);
    }
    return done && !got->failure;
}

/* The list, or the error with the list in it. */
static PyObject *give(struct incoming *got)
{
    if (got->error == NULL)
        return Py_NewRef(got->list);
    if (PyObject_SetAttrString(got->error, "items", got->list) != 0)
        PyErr_Clear(); /* an exception that takes no attributes is raised as it is */
    raise_object(got->error);
    return NULL;
}

PyObject *Channel_get_many(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *names)
{
    deadline_t deadline;
    PyObject *limit_object = NULL, *result = NULL;
    if (!channel_is_open(self) ||
        !parse_wait(args, nargs, names, "get_many", &limit_object, &deadline))
        return NULL;
    Py_ssize_t limit = PyLong_AsSsize_t(limit_object);
    if (limit == -1 && PyErr_Occurred())
        return NULL;
    if (limit < 1)
        return PyErr_Format(PyExc_ValueError, "get_many() of %zd items: ask for 1 or more", limit);
    struct incoming got = {.list = PyList_New(0)};
    if (got.list && receive(self, limit, deadline, &got))
        result = give(&got);
    Py_XDECREF(got.list);
    return result;
}

PyObject *TaskChannel_receive_batch(ChannelObject *self, PyObject *args)
{
    PyObject *timeout;
    Py_ssize_t limit;
    deadline_t deadline;
    struct incoming got = {.with_tags = true};
    if (!PyArg_ParseTuple(args, "O!nO", &PyList_Type, &got.list, &limit, &timeout) ||
        !channel_is_open(self) || !parse_timeout(timeout, &deadline))
        return NULL;
    return receive(self, limit < 1 ? 1 : limit, deadline, &got) ? PyLong_FromSsize_t(got.count)
                                                                : NULL;
}
