/* Bell: a descriptor that becomes readable when one of several channels may be ready.
 *
 * Idea   poll(2) cannot wait for a futex. So whoever waits for channels beside descriptors takes a place
 *        on the arena's board (shm/waker.h) and polls the doorbell of that place. There are two uses: a
 *        call of wait(), or an event loop, arms the bell for several channels and asks them all when it
 *        rings; the descriptor of one queue (`_reader.fileno()`) is as readable as the queue, and each
 *        get() of this process keeps it so.
 * Fork   The place is its process's. In a forked child every inherited bell is closed at once.
 */
#include "channel.h"

#include "../os/wake_socket.h"

typedef struct BellObject {
    PyObject_HEAD struct waker place;
    struct BellObject *next, **link; /* of the list of open bells; link NULL: this one is closed */
} BellObject;

PyTypeObject *Bell_Type;
static BellObject *open_bells; /* guarded by the GIL */

/* ---- opening and closing */

static void enlist(BellObject *self)
{
    self->next = open_bells;
    self->link = &open_bells;
    if (open_bells)
        open_bells->link = &self->next;
    open_bells = self;
}

static void strike_off(BellObject *self)
{
    *self->link = self->next;
    if (self->next)
        self->next->link = self->link;
    self->link = NULL;
}

static void close_bell(BellObject *self)
{
    if (self->link == NULL)
        return;
    strike_off(self);
    if (family.tag != 0)
        waker_close(&family, &self->place);
    else
        wake_socket_close(self->place.fd);
}

void bells_after_fork_in_child(void)
{
    while (open_bells) {
        wake_socket_close(open_bells->place.fd);
        strike_off(open_bells);
    }
}

static bool is_open(BellObject *self)
{
    if (self->link == NULL)
        PyErr_SetString(PyExc_ValueError, "the bell is closed");
    return self->link != NULL;
}

/* Bell() */
static int Bell_init(BellObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "", names) || !family_ensure())
        return -1;
    if (self->link) {
        PyErr_SetString(PyExc_ValueError, "a bell is initialised once");
        return -1;
    }
    enum status status = waker_open(&family, &self->place);
    if (status == STATUS_FULL_TABLE)
        PyErr_Format(PyExc_RuntimeError,
                     "more than %d threads of one family wait for queues and descriptors at once",
                     (int)WAKER_COUNT);
    else if (status != STATUS_OK)
        raise_status(status);
    if (status != STATUS_OK)
        return -1;
    enlist(self);
    return 0;
}

static void Bell_dealloc(BellObject *self)
{
    PyTypeObject *type = Py_TYPE((PyObject *)self);
    close_bell(self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *Bell_close(BellObject *self, PyObject *Py_UNUSED(unused))
{
    close_bell(self);
    Py_RETURN_NONE;
}

static PyObject *Bell_fileno(BellObject *self, PyObject *Py_UNUSED(unused))
{
    return is_open(self) ? PyLong_FromLong(self->place.fd) : NULL;
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

static void tell(PyObject *list, enum channel_side side)
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

/* Bell.arm(to_get, to_put) -> (ready to get, ready to put) */
static PyObject *Bell_arm(BellObject *self, PyObject *args)
{
    PyObject *gets, *puts;
    if (!PyArg_ParseTuple(args, "O!O!", &PyList_Type, &gets, &PyList_Type, &puts) ||
        !is_open(self) || !are_channels(gets) || !are_channels(puts))
        return NULL;
    wake_socket_drain(self->place.fd);
    waker_arm(&family, &self->place,
              watches_of(gets, CHANNEL_MESSAGES) | watches_of(puts, CHANNEL_ROOM));
    tell(gets, CHANNEL_MESSAGES);
    tell(puts, CHANNEL_ROOM);
    atomic_thread_fence(memory_order_seq_cst); /* armed and told, then looked at: bells.h */
    PyObject *can_get = ready_of(gets, CHANNEL_MESSAGES);
    PyObject *can_put = can_get ? ready_of(puts, CHANNEL_ROOM) : NULL;
    PyObject *result = can_put ? PyTuple_Pack(2, can_get, can_put) : NULL;
    Py_XDECREF(can_get);
    Py_XDECREF(can_put);
    return result;
}

/* ---- the descriptor of one queue */

void channel_settle_bell(ChannelObject *self)
{
    BellObject *bell = (BellObject *)self->bell;
    struct channel *channel = channel_of(self);
    if (bell->link == NULL || channel_can_get(channel))
        return; /* it rings, or is about to */
    wake_socket_drain(bell->place.fd);
    waker_arm(&family, &bell->place, WATCH_EXACT | channel_key(&family, channel, CHANNEL_MESSAGES));
    waker_mark_watched(&channel->for_message.watchers);
    atomic_thread_fence(memory_order_seq_cst);
    if (channel_can_get(channel))
        waker_wake_own(&family, &bell->place);
}

/* Channel.bell_fd(): see above. */
PyObject *Channel_bell_fd(ChannelObject *self, PyObject *Py_UNUSED(unused))
{
    if (!channel_is_open(self))
        return NULL;
    if (self->bell && ((BellObject *)self->bell)->link == NULL)
        Py_CLEAR(self->bell); /* a parent's */
    if (self->bell == NULL) {
        self->bell = PyObject_CallFunctionObjArgs((PyObject *)Bell_Type, NULL);
        if (self->bell == NULL)
            return NULL;
        BellObject *bell = (BellObject *)self->bell;
        if (channel_can_get(channel_of(self)))
            waker_wake_own(&family, &bell->place);
        else
            channel_settle_bell(self);
    }
    return Bell_fileno((BellObject *)self->bell, NULL);
}

/* ---- the type */

static PyMethodDef methods[] = {
    {"fileno", (PyCFunction)Bell_fileno, METH_NOARGS, "The descriptor to be polled."},
    {"arm", (PyCFunction)Bell_arm, METH_VARARGS,
     "arm(to_get, to_put): quiet the bell, have it ring for these channels; those ready already."},
    {"close", (PyCFunction)Bell_close, METH_NOARGS, "Give up the descriptor."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_init, Bell_init},
    {Py_tp_dealloc, Bell_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, "Bell(): a descriptor that is readable when a channel may be ready."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.Bell",
    .basicsize = sizeof(BellObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int add_bell(PyObject *module)
{
    Bell_Type = add_type(module, &spec, NULL);
    return Bell_Type ? 0 : -1;
}
