/* Decoding: a message back to the object that was put; the counterpart of encode.h.
 *
 * Rule   What lies in shared memory is checked before it is used: kinds, sizes, and where the spans
 *        of a payload begin and end. */
#ifndef PROCESSION_PYTHON_DECODE_H
#define PROCESSION_PYTHON_DECODE_H

#include "../channel/channel.h"
#include "binding.h"

/* As encode_prepare(), for unpickling. */
bool decode_prepare(void);

/* The object; NULL: exception set. The message's payload, if any, is consumed. */
PyObject *message_decode(struct message *message);
/* The same for a message that other receivers get as well: no part of the object lies in shared
 * memory. */
PyObject *message_decode_private(struct message *message);
/* (sequence, label, extra, object, error): an object that cannot be rebuilt is None, and its error
 * the exception, so that the labels still say whose message it was. NULL: exception set. */
PyObject *message_decode_with_tags(struct message *message);

#endif
