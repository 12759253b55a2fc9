/* Methods that `with` calls, bound more cheaply than the interpreter does it.
 *
 * Why   `with lock:` looks __enter__ and __exit__ up and binds both to the lock; for a built-in method
 *       that makes two objects that the garbage collector is told of, which costs more than taking
 *       the lock. A descriptor of our own binds them to small objects from a list of spare ones.
 * Rule  Such a method takes the object and what it was called with; keywords are refused. */
#ifndef PROCESSION_PYTHON_BOUND_METHOD_H
#define PROCESSION_PYTHON_BOUND_METHOD_H

#include "core.h"

typedef PyObject *(*bound_function)(PyObject *self, PyObject *const *args, Py_ssize_t nargs);

/* Puts the method *name* into *type*; 0 or -1 with an exception set. */
int add_bound_method(PyTypeObject *type, const char *name, bound_function function,
                     const char *doc);

int add_bound(PyObject *module);

#endif
