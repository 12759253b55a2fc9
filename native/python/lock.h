/* Lock and RLock: the bindings of sync/lock.h. */
#ifndef PROCESSION_PYTHON_LOCK_H
#define PROCESSION_PYTHON_LOCK_H

#include "../sync/lock.h"
#include "handle.h"

extern PyTypeObject *Lock_Type, *RLock_Type;

static inline struct lock *lock_of(HandleObject *self)
{
    return self->memory;
}

int add_lock(PyObject *module);

#endif
