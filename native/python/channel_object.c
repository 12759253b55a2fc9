#include "channel_object.h"

PyTypeObject *Channel_Type;

bool channel_raise_not_open(ChannelObject *self)
{
    if (handle_is_ready(&self->base))
        PyErr_Format(PyExc_ValueError, "Queue %R is closed", self);
    return false;
}
