#include "crash_report.h"

#include "../os/crash_report.h"
#include "block.h"

/* keep_crash_report(block) */
static PyObject *keep_crash_report(PyObject *Py_UNUSED(module), PyObject *block)
{
    static PyObject *kept; /* the signal handler writes into it */
    Py_ssize_t size = PyObject_TypeCheck(block, Block_Type) ? PyObject_Size(block) : 0;
    if (size <= 0)
        return PyErr_Format(PyExc_TypeError, "%R is no Block with room", block);
    crash_report_keep(((HandleObject *)block)->memory, (size_t)size);
    PyObject *before = kept;
    kept = Py_NewRef(block);
    Py_XDECREF(before);
    Py_RETURN_NONE;
}

static PyObject *fatal_signals_unhandled(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyBool_FromLong(crash_report_signals_unhandled());
}

static PyMethodDef functions[] = {
    {"keep_crash_report", keep_crash_report, METH_O,
     "keep_crash_report(block): what faulthandler writes when this process crashes goes there "
     "too."},
    {"fatal_signals_unhandled", fatal_signals_unhandled, METH_NOARGS,
     "Whether all signals of crashes have the system's action."},
    {NULL, NULL, 0, NULL},
};

int add_crash_report(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
