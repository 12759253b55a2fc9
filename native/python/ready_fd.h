/* The descriptor of one channel: readable while get() would not have to wait.
 *
 * Idea   It is that of a waker for this channel alone, and each get() of this process keeps it as
 *        readable as the channel is. */
#ifndef PROCESSION_PYTHON_READY_FD_H
#define PROCESSION_PYTHON_READY_FD_H

#include "channel_object.h"

/* After a get, where there is a waker: it is no longer readable if the channel is empty. */
void channel_update_waker(ChannelObject *self);

/* Channel.ready_fd() */
PyObject *Channel_ready_fd(ChannelObject *self, PyObject *unused);

#endif
