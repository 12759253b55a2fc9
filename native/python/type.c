#include "type.h"

PyTypeObject *add_type(PyObject *module, PyType_Spec *spec, PyTypeObject *base)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, (PyObject *)base);
    if (type == NULL || PyModule_AddType(module, (PyTypeObject *)type) != 0)
        return NULL;
    return (PyTypeObject *)type;
}
