/* Channel.put_many and get_many: many objects with one round of the mutex.
 *
 * Idea   All objects are encoded first, so that one that cannot be pickled raises before anything
 *        is put. The small ones lie in a batch (channel/batch.h); one with a payload has its own
 *        place between them, and changes hands by itself.
 * Rule   What was taken is given to the caller: when one object cannot be rebuilt, the others are
 *        in the exception's attribute `items`.
 */
#ifndef PROCESSION_PYTHON_BATCH_H
#define PROCESSION_PYTHON_BATCH_H

#include "channel_object.h"

/* Channel.put_many(items, block=True, timeout=None) -> how many were put */
PyObject *Channel_put_many(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *names);
/* Channel.get_many(limit, block=True, timeout=None) -> list of 1 to limit objects */
PyObject *Channel_get_many(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs,
                           PyObject *names);

#endif
