/* Methods that `with` calls, bound more cheaply than the interpreter does it.
 *
 * Why   `with lock:` looks __enter__ and __exit__ up and binds both to the lock. For a built-in
 *       method that makes two objects that the garbage collector is told of, which costs more than
 *       taking the lock. A descriptor of our own binds them to small objects that are kept and
 *       used again.
 * Rule  Such a method takes the object and what it was called with; keywords are refused. */
#ifndef PROCESSION_PYTHON_METHOD_CACHE_H
#define PROCESSION_PYTHON_METHOD_CACHE_H

#include "binding.h"

typedef PyObject *(*cached_method)(PyObject *self, PyObject *const *args, Py_ssize_t nargs);

/* Gives *type* the two methods that `with` calls; 0, or -1 with an exception set. */
int add_context_manager(PyTypeObject *type, cached_method enter, cached_method exit);

/* What __exit__ returns when the release has given *result*. If the body raised, its exception
 * tells more than that the lock was lost on the way to it, and is not replaced. */
PyObject *exit_result(PyObject *result, PyObject *const *args, Py_ssize_t nargs);

int add_method_cache(PyObject *module); /* before add_context_manager() */

#endif
