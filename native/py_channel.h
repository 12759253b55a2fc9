/* The object behind queues and the pool's traffic; see py_channel.c and py_tagged.c. */
#ifndef PROCESSION_PY_CHANNEL_H
#define PROCESSION_PY_CHANNEL_H

#include "py_codec.h"

typedef struct {
    HandleObject base;
    struct patience patience;
    bool closed;   /* by this process: no more calls through this object */
    bool used;     /* something was put through this object */
    word_t *claim; /* where get_tagged() writes down what it takes; NULL: nowhere */
    PyObject *claim_block;
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

/* Until there is a message or *deadline* has passed. False: exception set. */
bool channel_get_message(ChannelObject *self, struct message *message, word_t *claim,
                         deadline_t deadline);

#endif
