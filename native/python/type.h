/* Adding a type to the module. */
#ifndef PROCESSION_PYTHON_TYPE_H
#define PROCESSION_PYTHON_TYPE_H

#include "binding.h"

/* Makes the type and adds it to the module; NULL: exception set. */
PyTypeObject *add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base);

#endif
