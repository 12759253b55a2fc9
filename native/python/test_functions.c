#include "test_functions.h"

#include "../crash_point.h"
#include "../shm/check.h"
#include "family.h"

/* crash_arm(name, passages=1) */
static PyObject *crash_arm(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *name;
    unsigned int passages = 1;
    if (!PyArg_ParseTuple(args, "z|I", &name, &passages))
        return NULL;
    crash_point_arm(name, passages);
    Py_RETURN_NONE;
}

static void add_problem(void *list, const char *problem)
{
    PyObject *text = PyUnicode_FromString(problem);
    if (text == NULL || PyList_Append(list, text) != 0)
        PyErr_Clear(); /* no memory: list_problems() notices it */
    Py_XDECREF(text);
}

/* arena_check() -> list of str */
static PyObject *list_problems(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    PyObject *problems = family_ensure() ? PyList_New(0) : NULL;
    if (problems == NULL)
        return NULL;
    unsigned count = arena_check(&family, add_problem, problems);
    if (count > 0 && PyList_Size(problems) == 0) {
        Py_DECREF(problems);
        return PyErr_NoMemory();
    }
    return problems;
}

static PyMethodDef functions[] = {
    {"crash_arm", crash_arm, METH_VARARGS, "Have this process killed at that crash point."},
    {"arena_check", list_problems, METH_NOARGS,
     "What is wrong with the arena; an empty list if nothing is."},
    {NULL, NULL, 0, NULL},
};

int add_test_functions(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
