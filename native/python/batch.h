/* Many objects with one round of the mutex: put_many and get_many of queues, send_batch and
 * receive_batch of pools.
 *
 * Idea   Objects are encoded into records, which lie in a batch (channel/batch.h). A record with a
 *        payload lies between the others, and is put and taken by itself.
 * Rule   put_many() encodes all objects first: one that cannot be pickled raises before anything is
 *        put. send_batch() puts what it has encoded as soon as the channel takes no more at once,
 *        so the workers begin while the rest is encoded.
 * Rule   What was taken is given to the caller. When get_many() cannot rebuild an object, the
 *        others are in the exception's attribute `items`; receive_batch() gives each error in the
 *        place of its object. */
#ifndef PROCESSION_PYTHON_BATCH_H
#define PROCESSION_PYTHON_BATCH_H

#include "channel_object.h"

/* Channel.put_many(items, block=True, timeout=None) -> how many were put */
PyObject *Channel_put_many(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *names);
/* Channel.get_many(limit, block=True, timeout=None) -> list of 1 to limit objects */
PyObject *Channel_get_many(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *names);

/* TaskChannel.send_batch(items, label, extra) -> (number of the first, how many were put, error)
 *
 * Stops at the first object that cannot be put; *error* is then the exception, else None. The
 * numbers are consecutive if no other process puts at the same time. */
PyObject *TaskChannel_send_batch(ChannelObject *self, PyObject *args);
/* TaskChannel.receive_batch(inbox, limit, timeout) -> count
 *
 * Waits for a first message, takes up to *limit* that are there, and appends each to *inbox* as
 * receive() would give it. So no signal handler can come between taking and keeping. */
PyObject *TaskChannel_receive_batch(ChannelObject *self, PyObject *args);

#endif
