/* The base of objects that wait, and spin before they sleep: semaphores, events, conditions and
 * barriers. */
#ifndef PROCESSION_PYTHON_WAITING_H
#define PROCESSION_PYTHON_WAITING_H

#include "../sync/spin_wait.h"
#include "handle.h"

typedef struct {
    HandleObject base;
    struct spin_wait spin_wait; /* of this process, for this object */
} WaitingObject;

/* tp_new of types whose objects begin as a WaitingObject. */
PyObject *waiting_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);

#endif
