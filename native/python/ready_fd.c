#include "ready_fd.h"

#include "../os/wake_socket.h"
#include "family.h"
#include "waker.h"

void channel_update_waker(ChannelObject *self)
{
    WakerObject *waker = (WakerObject *)self->waker;
    struct channel *channel = channel_of(self);
    if (waker->link == NULL || channel_can_get(channel))
        return; /* the descriptor is readable, or will be in a moment */
    wake_socket_drain(waker->waker.fd);
    waker_arm(&family, &waker->waker,
              WATCH_EXACT | channel_key(&family, channel, CHANNEL_MESSAGES));
    waker_mark_watched(&channel->for_message.watchers);
    atomic_thread_fence(memory_order_seq_cst);
    if (channel_can_get(channel))
        waker_wake_own(&family, &waker->waker);
}

PyObject *Channel_ready_fd(ChannelObject *self, PyObject *Py_UNUSED(unused))
{
    if (!channel_is_open(self))
        return NULL;
    if (self->waker && ((WakerObject *)self->waker)->link == NULL)
        Py_CLEAR(self->waker); /* it was the parent's */
    if (self->waker == NULL) {
        self->waker = PyObject_CallFunctionObjArgs((PyObject *)Waker_Type, NULL);
        if (self->waker == NULL)
            return NULL;
        WakerObject *waker = (WakerObject *)self->waker;
        if (channel_can_get(channel_of(self)))
            waker_wake_own(&family, &waker->waker);
        else
            channel_update_waker(self);
    }
    return PyLong_FromLong(((WakerObject *)self->waker)->waker.fd);
}
