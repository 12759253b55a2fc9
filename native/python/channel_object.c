#include "channel_object.h"

PyTypeObject *Channel_Type;

bool channel_is_open(ChannelObject *self)
{
    if (!handle_is_ready(&self->base))
        return false;
    if (self->closed)
        PyErr_Format(PyExc_ValueError, "Queue %R is closed", self);
    return !self->closed;
}
