#include "is_simple.h"

/* Objects that are nested deeper, or contain themselves, count as not simple. */
enum { DEEPEST = 20 };

static bool all_simple(PyObject *iterable, int depth);

static bool is_simple_at(PyObject *object, int depth)
{
    PyTypeObject *type = Py_TYPE(object);
    if (object == Py_None || type == &PyBool_Type || type == &PyLong_Type ||
        type == &PyFloat_Type || type == &PyUnicode_Type || type == &PyBytes_Type ||
        type == &PyByteArray_Type)
        return true;
    if (depth == DEEPEST)
        return false;
    if (type == &PyTuple_Type || type == &PyList_Type || type == &PySet_Type ||
        type == &PyFrozenSet_Type)
        return all_simple(object, depth + 1);
    if (type != &PyDict_Type)
        return false;
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(object, &position, &key, &value))
        if (!is_simple_at(key, depth + 1) || !is_simple_at(value, depth + 1))
            return false;
    return true;
}

static bool all_simple(PyObject *iterable, int depth)
{
    PyObject *iterator = PyObject_GetIter(iterable), *item;
    bool simple = iterator != NULL;
    while (simple && (item = PyIter_Next(iterator)) != NULL) {
        simple = is_simple_at(item, depth);
        Py_DECREF(item);
    }
    Py_XDECREF(iterator);
    if (PyErr_Occurred()) { /* no memory, or another thread changed a set */
        PyErr_Clear();
        return false;
    }
    return simple;
}

bool is_simple(PyObject *object)
{
    return is_simple_at(object, 0);
}
