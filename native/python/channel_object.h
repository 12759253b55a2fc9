/* What a Channel object holds. */
#ifndef PROCESSION_PYTHON_CHANNEL_OBJECT_H
#define PROCESSION_PYTHON_CHANNEL_OBJECT_H

#include "../channel/channel.h"
#include "handle.h"

typedef struct {
    HandleObject base;
    struct spin_wait spin_wait;
    bool closed;          /* by this process: no more calls through this object */
    bool used;            /* something was put through this object */
    word_t *task_word;    /* where receive() writes which task it takes; NULL: nowhere */
    PyObject *task_block; /* the Block of that word, owned */
    PyObject *waker;      /* readable while a get() would not wait; NULL: not asked for */
} ChannelObject;

extern PyTypeObject *Channel_Type;

static inline struct channel *channel_of(ChannelObject *self)
{
    return self->base.memory;
}

/* Sets the error of a channel that cannot be used; always false. */
bool channel_raise_not_open(ChannelObject *self);

/* False, with ValueError set: not initialised, or closed. */
static inline bool channel_is_open(ChannelObject *self)
{
    return (self->base.memory != NULL && family_is_joined() && !self->closed) ||
           channel_raise_not_open(self);
}

#endif
