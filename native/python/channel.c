#include "channel.h"

#include "../channel/channel_block.h"
#include "../sync/owned_lock.h"
#include "arguments.h"
#include "batch.h"
#include "channel_transfer.h"
#include "decode.h"
#include "encode.h"
#include "exception.h"
#include "family.h"
#include "ready_fd.h"

static PyObject *Channel_new(PyTypeObject *type, PyObject *Py_UNUSED(args),
                             PyObject *Py_UNUSED(kwargs))
{
    ChannelObject *self = encode_prepare() && decode_prepare() ? (ChannelObject *)handle_new(type)
                                                               : NULL;
    if (self)
        spin_wait_init(&self->spin_wait);
    return (PyObject *)self;
}

static void Channel_dealloc(ChannelObject *self)
{
    Py_CLEAR(self->task_block);
    Py_CLEAR(self->waker);
    handle_dealloc((PyObject *)self);
}

/* Channel(maxsize=0) */
static int Channel_init(ChannelObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"maxsize", NULL};
    Py_ssize_t max = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|n", names, &max) ||
        !handle_begin_init(&self->base, "channel"))
        return -1;
    return handle_finish_init(
        &self->base, channel_create(&family, max > 0 ? (uint64_t)max : 0, &self->base.handle));
}

/* ---- messages that are done with */

static PyObject *Channel_task_done(ChannelObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(&self->base))
        return NULL;
    if (channel_task_done(channel_of(self)))
        Py_RETURN_NONE;
    PyErr_SetString(PyExc_ValueError, "task_done() called too many times");
    return NULL;
}

/* Channel.wait_done(timeout) -> bool */
static PyObject *Channel_wait_done(ChannelObject *self, PyObject *timeout)
{
    deadline_t deadline;
    if (!handle_is_ready(&self->base) || !parse_timeout(timeout, &deadline))
        return NULL;
    struct channel *channel = channel_of(self);
    while (!channel_is_done(channel)) {
        enum status status;
        Py_BEGIN_ALLOW_THREADS
        status = channel_wait_for_done(channel, &self->spin_wait, deadline);
        Py_END_ALLOW_THREADS
        if (status == STATUS_TIMED_OUT)
            return PyBool_FromLong(channel_is_done(channel));
        if (!may_go_on(status))
            return NULL;
    }
    Py_RETURN_TRUE;
}

/* ---- closing */

static PyObject *Channel_close(ChannelObject *self, PyObject *Py_UNUSED(unused))
{
    self->closed = true;
    Py_CLEAR(self->waker);
    Py_RETURN_NONE;
}

/* Channel.shutdown(immediate=False): for all processes. */
static PyObject *Channel_shutdown(ChannelObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"immediate", NULL};
    int immediate = 0;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|p", names, &immediate) ||
        !handle_is_ready(&self->base))
        return NULL;
    channel_shut_down(&family, channel_of(self), immediate);
    Py_RETURN_NONE;
}

static PyObject *Channel_is_shut_down(ChannelObject *self, void *Py_UNUSED(closure))
{
    if (!handle_is_ready(&self->base))
        return NULL;
    return PyBool_FromLong(channel_end(channel_of(self)) != CHANNEL_OPEN);
}

static PyObject *Channel_closed(ChannelObject *self, void *Py_UNUSED(closure))
{
    return PyBool_FromLong(self->closed);
}

/* Channel.owned_lock(side) -> (offset, serial) of the lock that belongs to the side */
static PyObject *Channel_owned_lock(ChannelObject *self, PyObject *side)
{
    long number = PyLong_AsLong(side);
    if (!handle_is_ready(&self->base) || PyErr_Occurred())
        return NULL;
    offset_t payload;
    uint64_t serial;
    enum status status = channel_owned_lock(
        &family, channel_of(self), number ? CHANNEL_ROOM : CHANNEL_MESSAGES, &payload, &serial);
    if (status != STATUS_OK)
        return raise_status(status);
    return Py_BuildValue("KK", (unsigned long long)payload, (unsigned long long)serial);
}

/* ---- looking */

static PyObject *Channel_qsize(ChannelObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(&self->base))
        return NULL;
    return PyLong_FromUnsignedLongLong(channel_size(channel_of(self)));
}

/* As in the standard package, a closed queue answers if nothing was ever put through it. */
static PyObject *Channel_empty(ChannelObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(&self->base))
        return NULL;
    if (self->closed && self->used)
        return PyErr_Format(PyExc_OSError, "Queue %R is closed", self);
    return PyBool_FromLong(channel_size(channel_of(self)) == 0);
}

static PyObject *Channel_full(ChannelObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(&self->base))
        return NULL;
    struct channel *channel = channel_of(self);
    return PyBool_FromLong(!channel_has_room(channel));
}

static PyObject *Channel_got_count(ChannelObject *self, void *Py_UNUSED(closure))
{
    if (!handle_is_ready(&self->base))
        return NULL;
    word_t *count = &channel_of(self)->got_count;
    return PyLong_FromUnsignedLongLong(atomic_load_explicit(count, memory_order_acquire));
}

static PyObject *Channel_maxsize(ChannelObject *self, void *Py_UNUSED(closure))
{
    if (!handle_is_ready(&self->base))
        return NULL;
    return PyLong_FromUnsignedLongLong(channel_of(self)->max_messages);
}

static PyMethodDef methods[] = {
    {"put", METHOD(Channel_put), METH_FASTCALL | METH_KEYWORDS,
     "put(obj, block=True, timeout=None): queue.Full when there was no room in time."},
    {"get", METHOD(Channel_get), METH_FASTCALL | METH_KEYWORDS,
     "get(block=True, timeout=None): queue.Empty when nothing came in time."},
    {"put_many", METHOD(Channel_put_many), METH_FASTCALL | METH_KEYWORDS,
     "put_many(items, block=True, timeout=None): how many were put in time, one at least."},
    {"get_many", METHOD(Channel_get_many), METH_FASTCALL | METH_KEYWORDS,
     "get_many(limit, block=True, timeout=None): a list of what is there, one item at least."},
    {"task_done", (PyCFunction)Channel_task_done, METH_NOARGS,
     "One message that was got is done with; ValueError if it is called for more than were put."},
    {"wait_done", (PyCFunction)Channel_wait_done, METH_O,
     "wait_done(timeout): whether all messages were done with in time."},
    {"close", (PyCFunction)Channel_close, METH_NOARGS,
     "No more put() or get() through this object; the messages stay for others."},
    {"shutdown", METHOD(Channel_shutdown), METH_VARARGS | METH_KEYWORDS,
     "shutdown(immediate=False): no process can put any more; the messages that are there are "
     "discarded if immediate, else they can still be got."},
    {"ready_fd", (PyCFunction)Channel_ready_fd, METH_NOARGS,
     "A descriptor that is readable while get() would not have to wait."},
    {"owned_lock", (PyCFunction)Channel_owned_lock, METH_O,
     "owned_lock(side): (offset, serial) of a lock that belongs to the channel."},
    {"qsize", (PyCFunction)Channel_qsize, METH_NOARGS,
     "Messages that were put and not got yet; exact."},
    {"empty", (PyCFunction)Channel_empty, METH_NOARGS, "qsize() == 0."},
    {"full", (PyCFunction)Channel_full, METH_NOARGS, "Whether put() would have to wait."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getters[] = {
    {"got_count", (getter)Channel_got_count, NULL, "Messages that were ever got.", NULL},
    {"closed", (getter)Channel_closed, NULL, "Whether close() was called on this object.", NULL},
    {"is_shut_down", (getter)Channel_is_shut_down, NULL, "Whether shutdown() was called.", NULL},
    {"maxsize", (getter)Channel_maxsize, NULL, "The most messages at a time; 0: no bound.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, Channel_new},
    {Py_tp_init, Channel_init},
    {Py_tp_dealloc, Channel_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {Py_tp_doc, "Channel(maxsize=0): a kill-safe queue of messages between processes."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.Channel",
    .basicsize = sizeof(ChannelObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int add_channel(PyObject *module)
{
    Channel_Type = add_handle_type(module, &spec, BLOCK_CHANNEL);
    return Channel_Type ? 0 : -1;
}
