/* Python objects to messages and back. */
#ifndef PROCESSION_PYTHON_MESSAGE_H
#define PROCESSION_PYTHON_MESSAGE_H

#include "../channel/channel.h"
#include "core.h"

/* Import what the two directions need: once the interpreter is ending nothing can be imported. False:
 * exception set. */
bool encode_prepare(void);
bool decode_prepare(void);

/* Fills *message* from *object*. What the message's data lies in is returned, to be kept until the
 * message was put; NULL: exception set. */
PyObject *message_encode(PyObject *object, struct message *message);
/* Likewise, if *object* is plain. NULL without an exception: it is not. */
PyObject *message_encode_plain(PyObject *object, struct message *message);
/* Undoes what message_encode() acquired, if the message was not put. */
void message_discard(struct message *message);

/* The object; NULL: exception set. The message's payload, if any, is consumed. */
PyObject *message_decode(struct message *message);
/* Likewise of a message that others will have as well: nothing of the object lies in shared memory. */
PyObject *message_decode_private(struct message *message);

/* Whether *object* is of the language's own simple types all the way down (python/is_simple.c). */
bool is_plain(PyObject *object);

/* ---- containers of scalars (python/compact_format.c) */

/* False: not one that fits a record; no exception is set. */
bool compact_encode(PyObject *object, struct message *message);
PyObject *compact_decode(const struct message *message);

#endif
