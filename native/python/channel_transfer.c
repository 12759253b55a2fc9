#include "channel_transfer.h"

#include "arguments.h"
#include "decode.h"
#include "encode.h"
#include "exception.h"
#include "family.h"
#include "hooks.h"
#include "ready_fd.h"

/* ---- waiting */

bool channel_await(ChannelObject *self, enum channel_side side, deadline_t *deadline)
{
    struct channel *channel = channel_of(self);
    enum status status;
    Py_BEGIN_ALLOW_THREADS
    if (side == CHANNEL_ROOM)
        status = channel_wait_for_room(channel, &self->spin_wait, *deadline);
    else
        status = channel_wait_for_message(channel, &self->spin_wait, *deadline);
    Py_END_ALLOW_THREADS
    if (status != STATUS_TIMED_OUT)
        return may_go_on(status);
    *deadline = 0; /* the caller looks once more */
    return true;
}

static void raise_hook(enum hook hook)
{
    PyObject *type = hook_value(hook);
    if (type)
        PyErr_SetNone(type);
}

void channel_raise(enum status status, enum channel_side side)
{
    if (status == STATUS_SHUT_DOWN)
        raise_hook(HOOK_QUEUE_SHUT_DOWN);
    else if (status != STATUS_AGAIN)
        raise_status(status);
    else
        raise_hook(side == CHANNEL_ROOM ? HOOK_QUEUE_FULL : HOOK_QUEUE_EMPTY);
}

/* ---- put */

/* Until there is room or *deadline* has passed. False: exception set. */
static bool put_message(ChannelObject *self, struct message *message, deadline_t deadline)
{
    struct channel *channel = channel_of(self);
    enum status status;
    while ((status = channel_try_put(&family, channel, message)) == STATUS_AGAIN && deadline != 0)
        if (!channel_await(self, CHANNEL_ROOM, &deadline))
            return false;
    if (status != STATUS_OK)
        channel_raise(status, CHANNEL_ROOM);
    return status == STATUS_OK;
}

/* Puts *message*; *keep* (stolen) holds its data until then. False: exception set. */
static bool put_encoded(ChannelObject *self, struct message *message, PyObject *keep,
                        deadline_t deadline)
{
    bool done = put_message(self, message, deadline);
    if (!done)
        message_discard(message);
    self->used = true;
    Py_DECREF(keep);
    return done;
}

bool channel_put_object(ChannelObject *self, PyObject *object, uint64_t label, uint64_t extra,
                        deadline_t deadline, uint64_t *sequence)
{
    struct message message;
    message.label = label;
    message.extra = extra;
    PyObject *keep = message_encode(object, &message);
    if (keep == NULL || !put_encoded(self, &message, keep, deadline))
        return false;
    *sequence = message.sequence;
    return true;
}

bool channel_put_simple(ChannelObject *self, PyObject *object, uint64_t label, bool *simple)
{
    struct message message;
    message.label = label;
    message.extra = 0;
    PyObject *keep = message_encode_simple(object, &message);
    *simple = keep != NULL;
    if (keep == NULL)
        return PyErr_Occurred() == NULL;
    return put_encoded(self, &message, keep, DEADLINE_NEVER);
}

PyObject *Channel_put(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    if (!channel_is_open(self))
        return NULL;
    deadline_t deadline = DEADLINE_NEVER;
    PyObject *object = nargs ? args[0] : NULL;
    if ((nargs != 1 || names) && !parse_wait(args, nargs, names, "put", &object, &deadline))
        return NULL;
    uint64_t sequence;
    if (!channel_put_object(self, object, 0, 0, deadline, &sequence))
        return NULL;
    Py_RETURN_NONE;
}

/* ---- get */

bool channel_get_message(ChannelObject *self, struct message *message, word_t *task_word,
                         deadline_t deadline)
{
    struct channel *channel = channel_of(self);
    enum status status;
    while ((status = channel_try_get(&family, channel, message, task_word)) == STATUS_AGAIN &&
           deadline != 0)
        if (!channel_await(self, CHANNEL_MESSAGES, &deadline))
            return false;
    if (self->waker)
        channel_update_waker(self);
    if (status != STATUS_OK)
        channel_raise(status, CHANNEL_MESSAGES);
    return status == STATUS_OK;
}

PyObject *Channel_get(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs, PyObject *names)
{
    if (!channel_is_open(self))
        return NULL;
    deadline_t deadline = DEADLINE_NEVER;
    if ((nargs || names) && !parse_wait(args, nargs, names, "get", NULL, &deadline))
        return NULL;
    struct message message;
    return channel_get_message(self, &message, NULL, deadline) ? message_decode(&message) : NULL;
}
