#include "arguments.h"

/* No program runs longer, and no sum overflows. As in _base/deadline.py, which tells the rule. */
#define LONGEST_SECONDS 1e9

/* The error of a conversion is set. An integer too large for a double is a long time, or none. */
static bool is_too_large(PyObject *timeout, double *seconds)
{
    if (!PyErr_ExceptionMatches(PyExc_OverflowError))
        return false;
    PyErr_Clear();
    PyObject *zero = PyLong_FromLong(0);
    int positive = zero ? PyObject_RichCompareBool(timeout, zero, Py_GT) : -1;
    Py_XDECREF(zero);
    *seconds = positive > 0 ? LONGEST_SECONDS : 0;
    return positive >= 0;
}

/* Has the error about what is no number say what is wrong with which argument. */
static void refuse_type(PyObject *timeout)
{
    if (!PyErr_ExceptionMatches(PyExc_TypeError))
        return;
    PyErr_Clear();
    PyObject *name = PyObject_GetAttrString((PyObject *)Py_TYPE(timeout), "__name__");
    if (name)
        PyErr_Format(PyExc_TypeError, "timeout must be a number of seconds, not %U", name);
    Py_XDECREF(name);
}

bool parse_timeout(PyObject *timeout, deadline_t *deadline)
{
    if (timeout == NULL || timeout == Py_None) {
        *deadline = DEADLINE_NEVER;
        return true;
    }
    double seconds = PyFloat_AsDouble(timeout);
    if (seconds == -1.0 && PyErr_Occurred() && !is_too_large(timeout, &seconds)) {
        refuse_type(timeout);
        return false;
    }
    if (seconds != seconds) {
        PyErr_SetString(PyExc_ValueError, "timeout must be a number of seconds, not NaN");
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

/* Which parameter a keyword names; -1: none of them. */
static int parameter(PyObject *name, int first)
{
    static const char *const known[] = {"obj", "block", "timeout"};
    for (int i = first; i < 3; i++)
        if (PyUnicode_CompareWithASCIIString(name, known[i]) == 0)
            return i;
    return -1;
}

static bool take_keywords(PyObject *const *values, PyObject *names, const char *function, int first,
                          PyObject **given)
{
    for (Py_ssize_t i = 0; names && i < PyTuple_Size(names); i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        int which = parameter(name, first);
        if (which < 0 || given[which]) {
            PyErr_Format(PyExc_TypeError,
                         which < 0 ? "%s() got an unexpected keyword argument '%U'"
                                   : "%s() got multiple values for argument '%U'",
                         function, name);
            return false;
        }
        given[which] = values[i];
    }
    return true;
}

bool parse_wait(PyObject *const *args, Py_ssize_t nargs, PyObject *names, const char *function,
                PyObject **object, deadline_t *deadline)
{
    PyObject *given[3] = {NULL, NULL, NULL}; /* obj, block, timeout */
    int first = object ? 0 : 1;
    if (nargs > 3 - first) {
        PyErr_Format(PyExc_TypeError, "%s() takes at most %d arguments (%zd given)", function,
                     3 - first, nargs);
        return false;
    }
    for (Py_ssize_t i = 0; i < nargs; i++)
        given[first + i] = args[i];
    if (!take_keywords(args + nargs, names, function, first, given))
        return false;
    if (object && given[0] == NULL) {
        PyErr_Format(PyExc_TypeError, "%s() missing 1 required positional argument: 'obj'",
                     function);
        return false;
    }
    if (object)
        *object = given[0];
    int block = given[1] ? PyObject_IsTrue(given[1]) : 1;
    /* A timeout of a wrong type is an error, whether the call waits or not. */
    if (block < 0 || !parse_timeout(given[2], deadline))
        return false;
    if (!block)
        *deadline = 0;
    return true;
}

bool parse_only_timeout(PyObject *const *args, Py_ssize_t nargs, PyObject *names,
                        const char *function, PyObject **timeout)
{
    Py_ssize_t named = names ? PyTuple_Size(names) : 0;
    *timeout = nargs + named ? args[0] : NULL;
    bool right = nargs + named <= 1 &&
                 (named == 0 ||
                  PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), "timeout") == 0);
    if (!right)
        PyErr_Format(PyExc_TypeError, "%s() takes one argument, timeout", function);
    return right;
}
