/* Putting one message into a channel and getting one out, with waiting, signals and errors. */
#ifndef PROCESSION_PYTHON_CHANNEL_TRANSFER_H
#define PROCESSION_PYTHON_CHANNEL_TRANSFER_H

#include "channel_object.h"

/* Sleeps until there may be a message or room, or *deadline* has passed, which then is 0. False:
 * exception set. */
bool channel_await(ChannelObject *self, enum channel_side side, deadline_t *deadline);
/* Sets the exception for the *status* that a try has returned. */
void channel_raise(enum status status, enum channel_side side);

/* Until there is room or *deadline* has passed. False: exception set. */
bool channel_put_object(ChannelObject *self, PyObject *object, uint64_t label, uint64_t extra,
                        deadline_t deadline, uint64_t *sequence);

/* Waits for room; puts *object* if it is simple, and nothing if it is not. False: exception set. */
bool channel_put_simple(ChannelObject *self, PyObject *object, uint64_t label, bool *simple);

/* Until there is a message or *deadline* has passed. Of a message that is taken, its number + 1 is
 * written to *task_word* before, if that is not NULL. False: exception set. */
bool channel_get_message(ChannelObject *self, struct message *message, word_t *task_word,
                         deadline_t deadline);

/* Channel.put(obj, block=True, timeout=None) */
PyObject *Channel_put(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *names);
/* Channel.get(block=True, timeout=None) */
PyObject *Channel_get(ChannelObject *self, PyObject *const *args, Py_ssize_t nargs,
                      PyObject *names);

#endif
