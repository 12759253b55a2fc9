/* Plain objects: those of the language's own simple types, all the way down.
 *
 * Idea   To pickle one and to rebuild it runs no code but the interpreter's. So a thread that serves many
 *        may do it: nothing in the object can make it wait.
 * Rule   Types are exactly these: a subclass may bring methods of its own.
 */
#include "message.h"

/* Deeper ones are not taken for plain, nor are those that contain themselves. */
enum { DEEPEST = 20 };

static bool all_plain(PyObject *iterable, int depth);

static bool is_plain_at(PyObject *object, int depth)
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
        return all_plain(object, depth + 1);
    if (type != &PyDict_Type)
        return false;
    PyObject *key, *value;
    Py_ssize_t position = 0;
    while (PyDict_Next(object, &position, &key, &value))
        if (!is_plain_at(key, depth + 1) || !is_plain_at(value, depth + 1))
            return false;
    return true;
}

static bool all_plain(PyObject *iterable, int depth)
{
    PyObject *iterator = PyObject_GetIter(iterable), *item;
    bool plain = iterator != NULL;
    while (plain && (item = PyIter_Next(iterator)) != NULL) {
        plain = is_plain_at(item, depth);
        Py_DECREF(item);
    }
    Py_XDECREF(iterator);
    if (PyErr_Occurred()) { /* no memory, or another thread changed a set */
        PyErr_Clear();
        return false;
    }
    return plain;
}

bool is_plain(PyObject *object)
{
    return is_plain_at(object, 0);
}
