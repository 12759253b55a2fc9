/* Small tuples, lists and dicts of scalars, without pickle.
 *
 * Idea   Messages between processes are mostly small: a number, a name and a result in a tuple.
 *        Pickle spends more on making its pickler and unpickler than on such an object. So a
 *        container of scalars is written here: a letter for each value, then its size and its
 *        bytes.
 * Rule   What comes out must be what pickle would have given. When one list is in two places of an
 *        object, pickle keeps that; this format does not. So a list or dict may only be the
 *        outermost object. Of tuples and scalars, which cannot be changed, a second copy is the
 *        same. All types are exactly these; anything else, or what takes more than a record, is
 *        left to pickle. No Python code runs on the way.
 * Trust  Sizes and letters are checked when they are read, as all that lies in shared memory. */
#ifndef PROCESSION_PYTHON_COMPACT_FORMAT_H
#define PROCESSION_PYTHON_COMPACT_FORMAT_H

#include "../channel/channel.h"
#include "binding.h"

/* False: not one that fits a record; no exception is set. */
bool compact_encode(PyObject *object, struct message *message);
/* NULL: exception set. */
PyObject *compact_decode(const struct message *message);

#endif
