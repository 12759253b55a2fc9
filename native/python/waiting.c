#include "waiting.h"

PyObject *waiting_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    WaitingObject *self = (WaitingObject *)handle_new(type);
    if (self)
        spin_wait_init(&self->spin_wait);
    return (PyObject *)self;
}
