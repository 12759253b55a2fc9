/* Simple objects: those of the language's own basic types, all the way down.
 *
 * Idea   To pickle one and to rebuild it runs no code but the interpreter's. So a thread that
 *        serves many clients may do it: nothing in the object can make it wait.
 * Rule   Types are exactly these: a subclass may bring methods of its own. */
#ifndef PROCESSION_PYTHON_IS_SIMPLE_H
#define PROCESSION_PYTHON_IS_SIMPLE_H

#include "binding.h"

bool is_simple(PyObject *object);

#endif
