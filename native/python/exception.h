/* Exceptions from what the core returns. */
#ifndef PROCESSION_PYTHON_EXCEPTION_H
#define PROCESSION_PYTHON_EXCEPTION_H

#include "../status.h"
#include "binding.h"

/* Sets the exception for *status*; always NULL. */
PyObject *raise_status(enum status status);
/* The same for a status that may be STATUS_OK. False: exception set. */
bool check_status(enum status status);

/* The exception that is set, taken off the thread. */
PyObject *take_exception(void);
/* Sets the exception *error*, and takes over the reference. */
void raise_object(PyObject *error);

/* After STATUS_INTERRUPTED: runs Python's signal handlers. False: one raised. */
bool may_go_on(enum status status);

#endif
