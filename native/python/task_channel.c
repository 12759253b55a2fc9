#include "task_channel.h"

#include "../channel/channel.h"
#include "arguments.h"
#include "batch.h"
#include "block.h"
#include "channel_transfer.h"
#include "decode.h"
#include "exception.h"
#include "family.h"
#include "type.h"

/* TaskChannel.send(obj, label, extra) -> sequence; waits for room. */
static PyObject *TaskChannel_send(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    if (!channel_is_open(self))
        return NULL;
    if (nargs != 3) {
        PyErr_SetString(PyExc_TypeError, "send() takes 3 arguments: obj, label, extra");
        return NULL;
    }
    uint64_t label = PyLong_AsUnsignedLongLong(args[1]), sequence;
    uint64_t extra = PyErr_Occurred() ? 0 : PyLong_AsUnsignedLongLong(args[2]);
    if (PyErr_Occurred() ||
        !channel_put_object(self, args[0], label, extra, DEADLINE_NEVER, &sequence))
        return NULL;
    return PyLong_FromUnsignedLongLong(sequence);
}

/* TaskChannel.send_simple(obj, label) -> whether it was put */
static PyObject *TaskChannel_send_simple(ChannelObject *self, PyObject *const *args,
                                         Py_ssize_t nargs)
{
    if (!channel_is_open(self))
        return NULL;
    if (nargs != 2) {
        PyErr_SetString(PyExc_TypeError, "send_simple() takes 2 arguments: obj, label");
        return NULL;
    }
    bool simple;
    uint64_t label = PyLong_AsUnsignedLongLong(args[1]);
    if (PyErr_Occurred() || !channel_put_simple(self, args[0], label, &simple))
        return NULL;
    return PyBool_FromLong(simple);
}

/* TaskChannel.receive(timeout) -> (sequence, label, extra, object, error) */
static PyObject *TaskChannel_receive(ChannelObject *self, PyObject *timeout)
{
    deadline_t deadline;
    if (!channel_is_open(self) || !parse_timeout(timeout, &deadline))
        return NULL;
    struct message message;
    if (!channel_get_message(self, &message, self->task_word, deadline))
        return NULL;
    if (self->task_word)
        atomic_store_explicit(self->task_word + 1, (uint64_t)clock_now(), memory_order_relaxed);
    return message_decode_with_tags(&message);
}

/* TaskChannel.set_task_word(block, index): from now on receive() of this object first writes the
 * message's sequence + 1 as the block's index-th 64-bit word, and then, once it is taken, the time
 * as the next. */
static PyObject *TaskChannel_set_task_word(ChannelObject *self, PyObject *args)
{
    PyObject *block;
    Py_ssize_t index;
    if (!PyArg_ParseTuple(args, "On", &block, &index))
        return NULL;
    word_t *words = block_words(block, index, 2);
    if (words == NULL)
        return NULL;
    PyObject *before = self->task_block;
    self->task_block = Py_NewRef(block);
    Py_XDECREF(before);
    self->task_word = words;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"send", METHOD(TaskChannel_send), METH_FASTCALL,
     "send(obj, label, extra): the message's number in the channel, from 0."},
    {"send_simple", METHOD(TaskChannel_send_simple), METH_FASTCALL,
     "send_simple(obj, label): put it if it is of simple types all the way down; whether it "
     "was."},
    {"send_batch", (PyCFunction)TaskChannel_send_batch, METH_VARARGS,
     "send_batch(items, label, extra): (number of the first, how many were put, error)."},
    {"receive_batch", (PyCFunction)TaskChannel_receive_batch, METH_VARARGS,
     "receive_batch(inbox, limit, timeout): how many messages were appended; queue.Empty if none."},
    {"receive", (PyCFunction)TaskChannel_receive, METH_O,
     "receive(timeout): (sequence, label, extra, object, error)."},
    {"set_task_word", (PyCFunction)TaskChannel_set_task_word, METH_VARARGS,
     "set_task_word(block, index): write there which task receive() takes, before it is taken."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_methods, methods},
    {Py_tp_doc, "TaskChannel(maxsize=0): a Channel whose messages carry two labels."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.TaskChannel",
    .basicsize = sizeof(ChannelObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int add_task_channel(PyObject *module)
{
    return add_type(module, &spec, Channel_Type) ? 0 : -1;
}
