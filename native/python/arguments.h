/* Arguments that many methods share. */
#ifndef PROCESSION_PYTHON_ARGUMENTS_H
#define PROCESSION_PYTHON_ARGUMENTS_H

#include "../os/clock.h"
#include "binding.h"

/* ([obj,] block=True, timeout=None), by position or by name: the deadline to wait until, 0 for "do
 * not wait". A negative timeout counts as zero. *object*: where to put obj; NULL: there is none.
 * False: exception set. */
bool parse_wait(PyObject *const *args, Py_ssize_t nargs, PyObject *names, const char *function,
                PyObject **object, deadline_t *deadline);

/* The deadline of a timeout in seconds; NULL and None: never. False: exception set. */
bool parse_timeout(PyObject *timeout, deadline_t *deadline);

/* The only argument, timeout=None; NULL: not given. False: exception set. */
bool parse_only_timeout(PyObject *const *args, Py_ssize_t nargs, PyObject *names,
                        const char *function, PyObject **timeout);

#endif
