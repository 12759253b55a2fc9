#include "hooks.h"

static const char *const names[HOOK_COUNT] = {
    [HOOK_DUMPS] = "dumps",
    [HOOK_LOADS] = "loads",
    [HOOK_PICKLING_ERROR] = "pickling_error",
    [HOOK_ENCODE] = "encode",
    [HOOK_NAME_CULPRIT] = "name_culprit",
    [HOOK_COLLECT] = "collect",
    [HOOK_QUEUE_EMPTY] = "queue_empty",
    [HOOK_QUEUE_FULL] = "queue_full",
    [HOOK_QUEUE_SHUT_DOWN] = "queue_shut_down",
    [HOOK_BROKEN_LOCK] = "broken_lock",
    [HOOK_LOCK_RECOVERED] = "lock_recovered",
    [HOOK_BROKEN_BARRIER] = "broken_barrier",
    [HOOK_ENCODE_KEY] = "encode_key",
};

/* Owned, and guarded by the GIL. */
static PyObject *loaders[HOOK_COUNT];
static PyObject *values[HOOK_COUNT];

PyObject *hook_value(enum hook hook)
{
    if (values[hook])
        return values[hook];
    if (loaders[hook] == NULL)
        return PyErr_Format(PyExc_RuntimeError,
                            "the core was not given its hook %s: import the module of procession "
                            "that makes objects of this kind, not procession._core alone",
                            names[hook]);
    PyObject *value = PyObject_CallNoArgs(loaders[hook]);
    if (value == NULL)
        return NULL;
    Py_XDECREF(values[hook]); /* the call may have run other threads */
    values[hook] = value;
    return value;
}

/* Which hook has the name; HOOK_COUNT: none, exception set. */
static enum hook hook_named(PyObject *name)
{
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "the name of a hook is a str");
        return HOOK_COUNT;
    }
    for (unsigned i = 0; i < HOOK_COUNT; i++)
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0)
            return (enum hook)i;
    PyErr_Format(PyExc_TypeError, "the core has no hook %R", name);
    return HOOK_COUNT;
}

/* set_hooks(**loaders) */
static PyObject *set_hooks(PyObject *Py_UNUSED(module), PyObject *args, PyObject *kwargs)
{
    PyObject *name, *loader;
    Py_ssize_t position = 0;
    if (PyTuple_Size(args) != 0)
        return PyErr_Format(PyExc_TypeError, "set_hooks() takes keyword arguments only");
    while (kwargs && PyDict_Next(kwargs, &position, &name, &loader)) {
        enum hook hook = hook_named(name);
        if (hook == HOOK_COUNT)
            return NULL;
        if (loaders[hook] == loader)
            continue;
        PyObject *before = loaders[hook];
        loaders[hook] = Py_NewRef(loader);
        Py_XDECREF(before);
        Py_CLEAR(values[hook]);
    }
    Py_RETURN_NONE;
}

/* load_hooks(*names) */
static PyObject *load_hooks(PyObject *Py_UNUSED(module), PyObject *args)
{
    for (Py_ssize_t i = 0; i < PyTuple_Size(args); i++) {
        enum hook hook = hook_named(PyTuple_GetItem(args, i));
        if (hook == HOOK_COUNT || hook_value(hook) == NULL)
            return NULL;
    }
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"set_hooks", METHOD(set_hooks), METH_VARARGS | METH_KEYWORDS,
     "set_hooks(**loaders): for each hook a function that returns what the core is to use."},
    {"load_hooks", load_hooks, METH_VARARGS,
     "load_hooks(*names): call those functions now, while what they need can be imported."},
    {NULL, NULL, 0, NULL},
};

int add_hooks(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
