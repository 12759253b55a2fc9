/* A ctypes object and the lock around it, as the bindings of values, arrays and attributes see it. */
#ifndef PROCESSION_PYTHON_VALUE_H
#define PROCESSION_PYTHON_VALUE_H

#include "sync.h"

typedef struct {
    PyObject_HEAD PyObject *object; /* of ctypes; owned, NULL: not initialised */
    struct guard guard;
    Py_buffer view; /* its bytes */
    char code;      /* its type's, or its items', as ctypes has it; 0: not a simple one */
    Py_ssize_t item_bytes;
} LockedObject;

extern PyTypeObject *Locked_Type;

/* False: exception set. */
bool locked_is_ready(LockedObject *self);
/* Before something is done with the ctypes object, and after it. False: exception set, and the lock is not
 * held; that of the operation, if there is one, rather than that of the release. */
bool locked_begin(LockedObject *self);
bool locked_end(LockedObject *self, bool operation_failed);

/* The type locked_attribute; 0 or -1 with an exception set. */
int add_locked_attribute(PyObject *module);

#endif
