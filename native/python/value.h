/* Values and arrays: ctypes objects in shared memory, each access under a lock.
 *
 * Idea   Of the simple types the bytes are read and written here, and the lock is taken and
 *        released in the same call. All else goes to the ctypes object, with the lock held.
 * Rule   A number is made from the Python object before the lock is taken, and a Python object from
 *        the number after it was released: nothing of Python runs in between. */
#ifndef PROCESSION_PYTHON_VALUE_H
#define PROCESSION_PYTHON_VALUE_H

#include "lock_reference.h"

typedef struct {
    PyObject_HEAD PyObject *object; /* a ctypes object, owned; NULL: not initialised */
    struct lock_reference lock;
    Py_buffer view; /* its bytes */
    char code;      /* typecode of ctypes, of it or of its items; 0: not a simple type */
    Py_ssize_t item_bytes;
} LockedObject;

extern PyTypeObject *Locked_Type;

/* False: exception set. */
bool locked_is_ready(LockedObject *self);
/* Before something is done with the ctypes object, and after it. False: exception set, and the lock
 * is not held. An exception of the operation counts more than one of the release. */
bool locked_begin(LockedObject *self);
bool locked_end(LockedObject *self, bool operation_failed);

int add_value(PyObject *module);

#endif
