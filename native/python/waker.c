#include "waker.h"

#include "../os/clock.h"
#include "../os/wake_socket.h"
#include "channel_object.h"
#include "exception.h"
#include "family.h"
#include "type.h"

PyTypeObject *Waker_Type;
static WakerObject *open_wakers; /* guarded by the GIL */

/* ---- opening and closing */

static void link_waker(WakerObject *self)
{
    self->next = open_wakers;
    self->link = &open_wakers;
    if (open_wakers)
        open_wakers->link = &self->next;
    open_wakers = self;
}

static void unlink_waker(WakerObject *self)
{
    *self->link = self->next;
    if (self->next)
        self->next->link = self->link;
    self->link = NULL;
}

static void close_waker(WakerObject *self)
{
    if (self->link == NULL)
        return;
    unlink_waker(self);
    if (family_is_joined())
        waker_close(&family, &self->waker);
    else
        wake_socket_close(self->waker.fd);
}

void wakers_after_fork_in_child(void)
{
    while (open_wakers) {
        wake_socket_close(open_wakers->waker.fd);
        unlink_waker(open_wakers);
    }
}

static bool is_open(WakerObject *self)
{
    if (self->link == NULL)
        PyErr_SetString(PyExc_ValueError, "the waker is closed");
    return self->link != NULL;
}

/* Waker() */
static int Waker_init(WakerObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "", names) || !family_ensure())
        return -1;
    if (self->link) {
        PyErr_SetString(PyExc_ValueError, "a waker is initialised once");
        return -1;
    }
    enum status status = waker_open(&family, &self->waker);
    if (status == STATUS_FULL_TABLE)
        PyErr_Format(PyExc_RuntimeError,
                     "more than %d threads of one family wait for queues and descriptors at once",
                     (int)WAKER_COUNT);
    else if (status != STATUS_OK)
        raise_status(status);
    if (status != STATUS_OK)
        return -1;
    link_waker(self);
    return 0;
}

static void Waker_dealloc(WakerObject *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    close_waker(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *Waker_close(WakerObject *self, PyObject *Py_UNUSED(unused))
{
    close_waker(self);
    Py_RETURN_NONE;
}

static PyObject *Waker_fileno(WakerObject *self, PyObject *Py_UNUSED(unused))
{
    return is_open(self) ? PyLong_FromLong(self->waker.fd) : NULL;
}

/* ---- arming */

static uint64_t key_of(PyObject *channel, enum channel_side side)
{
    return channel_key(&family, channel_of((ChannelObject *)channel), side);
}

static bool are_channels(PyObject *list)
{
    for (Py_ssize_t i = 0; i < PyList_Size(list); i++) {
        PyObject *item = PyList_GetItem(list, i);
        if (!PyObject_TypeCheck(item, Channel_Type)) {
            PyErr_Format(PyExc_TypeError, "%R is no channel", item);
            return false;
        }
        if (!handle_is_ready((HandleObject *)item))
            return false;
    }
    return true;
}

static uint64_t watches_of(PyObject *list, enum channel_side side)
{
    uint64_t watches = 0;
    for (Py_ssize_t i = 0; i < PyList_Size(list); i++)
        watches |= waker_bit(key_of(PyList_GetItem(list, i), side));
    return watches;
}

static void mark_watched(PyObject *list, enum channel_side side)
{
    for (Py_ssize_t i = 0; i < PyList_Size(list); i++) {
        struct channel *channel = channel_of((ChannelObject *)PyList_GetItem(list, i));
        waker_mark_watched(side == CHANNEL_ROOM ? &channel->for_room.watchers
                                                : &channel->for_message.watchers);
    }
}

static PyObject *ready_of(PyObject *list, enum channel_side side)
{
    PyObject *ready = PyList_New(0);
    for (Py_ssize_t i = 0; ready && i < PyList_Size(list); i++) {
        PyObject *item = PyList_GetItem(list, i);
        struct channel *channel = channel_of((ChannelObject *)item);
        bool yes = side == CHANNEL_ROOM ? channel_can_put(channel) : channel_can_get(channel);
        if (yes && PyList_Append(ready, item) != 0)
            Py_CLEAR(ready);
    }
    return ready;
}

/* Waker.arm(to_get, to_put) -> (ready to get, ready to put) */
static PyObject *Waker_arm(WakerObject *self, PyObject *args)
{
    PyObject *gets, *puts;
    if (!PyArg_ParseTuple(args, "O!O!", &PyList_Type, &gets, &PyList_Type, &puts) ||
        !is_open(self) || !are_channels(gets) || !are_channels(puts))
        return NULL;
    wake_socket_drain(self->waker.fd);
    waker_arm(&family, &self->waker,
              watches_of(gets, CHANNEL_MESSAGES) | watches_of(puts, CHANNEL_ROOM));
    mark_watched(gets, CHANNEL_MESSAGES);
    mark_watched(puts, CHANNEL_ROOM);
    atomic_thread_fence(memory_order_seq_cst); /* armed, then looked at: shm/waker.h */
    PyObject *can_get = ready_of(gets, CHANNEL_MESSAGES);
    PyObject *can_put = can_get ? ready_of(puts, CHANNEL_ROOM) : NULL;
    PyObject *result = can_put ? PyTuple_Pack(2, can_get, can_put) : NULL;
    Py_XDECREF(can_get);
    Py_XDECREF(can_put);
    return result;
}

/* ---- the type */

static PyMethodDef methods[] = {
    {"fileno", (PyCFunction)Waker_fileno, METH_NOARGS, "The descriptor to be polled."},
    {"arm", (PyCFunction)Waker_arm, METH_VARARGS,
     "arm(to_get, to_put): be readable when one of these channels is ready; those ready now."},
    {"close", (PyCFunction)Waker_close, METH_NOARGS, "Give up the descriptor."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_init, Waker_init},
    {Py_tp_dealloc, Waker_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, "Waker(): a descriptor that is readable when a channel may be ready."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.Waker",
    .basicsize = sizeof(WakerObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int add_waker(PyObject *module)
{
    Waker_Type = add_type(module, &spec, NULL);
    if (Waker_Type == NULL)
        return -1;
    /* Code that sleeps until a waker's descriptor is readable looks again after so long, too. */
    return PyModule_AddIntConstant(module, "WAIT_SLICE_MS", (long)(SLICE_NS / NS_PER_MS));
}
