/* Encoding: what a message holds as itself, what as a pickle, and what in a block of its own. For
 * the way back see decode.h.
 *
 * Idea   None, bool, int, float, str and bytes of exactly these types are written as they are,
 *        small containers of them by compact_format.h. All else is pickled: a stream, buffers that
 *        stay out of it (pickle protocol 5), and the handles that were pickled on the way. What is
 *        small and has neither lies in the record. The rest goes into a payload block: one copy in,
 *        none out, since the receiver's buffers are views of the block, which lives as long as they
 *        do. */
#ifndef PROCESSION_PYTHON_ENCODE_H
#define PROCESSION_PYTHON_ENCODE_H

#include "../channel/channel.h"
#include "binding.h"

/* Imports what is needed for pickling: when the interpreter ends nothing can be imported any more.
 * False: exception set. */
bool encode_prepare(void);

/* Fills *message* from *object*. What the message's data lies in is returned, to be kept until the
 * message was put; NULL: exception set. */
PyObject *message_encode(PyObject *object, struct message *message);
/* Likewise, if *object* is simple. NULL without an exception: it is not. */
PyObject *message_encode_simple(PyObject *object, struct message *message);
/* Undoes what message_encode() acquired, if the message was not put. */
void message_discard(struct message *message);

int add_encode(PyObject *module);

#endif
