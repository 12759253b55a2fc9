/* The object behind queues and the pool's traffic; see python/channel.c and python/task_channel.c. */
#ifndef PROCESSION_PYTHON_CHANNEL_H
#define PROCESSION_PYTHON_CHANNEL_H

#include "message.h"

typedef struct {
    HandleObject base;
    struct spin_wait spin_wait;
    bool closed;   /* by this process: no more calls through this object */
    bool used;     /* something was put through this object */
    word_t *claim; /* where get_tagged() writes down what it takes; NULL: nowhere */
    PyObject *claim_block;
    PyObject *bell; /* rings while a get() would not wait; NULL: nobody asked for its descriptor */
} ChannelObject;

static inline struct channel *channel_of(ChannelObject *self)
{
    return self->base.memory;
}

/* False, with ValueError set: not initialised, or closed. */
bool channel_is_open(ChannelObject *self);

/* Until there is room or *deadline* has passed. False: exception set. */
bool channel_put_object(ChannelObject *self, PyObject *object, uint64_t tag, uint64_t extra,
                        deadline_t deadline, uint64_t *sequence);

/* Waits for room; puts *object* if it is plain, and nothing if it is not. False: exception set. */
bool channel_put_plain(ChannelObject *self, PyObject *object, uint64_t tag, bool *plain);

/* Until there is a message or *deadline* has passed. False: exception set. */
bool channel_get_message(ChannelObject *self, struct message *message, word_t *claim,
                         deadline_t deadline);

/* Sleeps until there may be a message or room, or *deadline* has passed, which then is 0. False:
 * exception set. */
bool channel_await(ChannelObject *self, enum channel_side side, deadline_t *deadline);
/* Sets the exception for what a try came to. */
void channel_raise(enum status status, enum channel_side side);

/* After a get, where there is a bell: it is as quiet as the channel is empty (python/waker.c). */
void channel_settle_bell(ChannelObject *self);
PyObject *Channel_bell_fd(ChannelObject *self, PyObject *unused);

/* python/batch.c */
PyObject *Channel_put_many(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *names);
PyObject *Channel_get_many(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *names);

#endif
