/* Arguments that many methods share. */
#include "py_core.h"

/* Longer than any program runs, and far from overflow. */
#define LONGEST_SECONDS 1e9

bool parse_timeout(PyObject *timeout, deadline_t *deadline)
{
    if (timeout == NULL || timeout == Py_None) {
        *deadline = DEADLINE_NEVER;
        return true;
    }
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred())
        return false;
    if (seconds != seconds) {
        PyErr_SetString(PyExc_ValueError, "timeout is not a number (NaN)");
        return false;
    }
    if (seconds <= 0)
        *deadline = 0;
    else if (seconds >= LONGEST_SECONDS)
        *deadline = DEADLINE_NEVER;
    else
        *deadline = clock_now() + (nanoseconds)(seconds * (double)NS_PER_S);
    return true;
}

/* Which of the two parameters a keyword names: 0 block, 1 timeout, -1 neither. */
static int parameter(PyObject *name)
{
    if (PyUnicode_CompareWithASCIIString(name, "block") == 0)
        return 0;
    return PyUnicode_CompareWithASCIIString(name, "timeout") == 0 ? 1 : -1;
}

bool parse_wait(PyObject *const *args, Py_ssize_t nargs, PyObject *names, Py_ssize_t first,
                const char *function, deadline_t *deadline)
{
    PyObject *given[2] = {NULL, NULL};
    Py_ssize_t positional = nargs - first;
    if (positional > 2) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %zd arguments (%zd given)", function,
                     first + 2, nargs);
        return false;
    }
    for (Py_ssize_t i = 0; i < positional; i++)
        given[i] = args[first + i];
    for (Py_ssize_t i = 0; names && i < PyTuple_Size(names); i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        int which = parameter(name);
        if (which < 0 || given[which]) {
            PyErr_Format(PyExc_TypeError,
                         which < 0 ? "%s() got an unexpected keyword argument '%U'"
                                   : "%s() got multiple values for argument '%U'",
                         function, name);
            return false;
        }
        given[which] = args[nargs + i];
    }
    int block = given[0] ? PyObject_IsTrue(given[0]) : 1;
    if (block < 0)
        return false;
    if (!parse_timeout(given[1], deadline)) /* a wrong type is an error, waiting or not */
        return false;
    if (!block)
        *deadline = 0;
    return true;
}
