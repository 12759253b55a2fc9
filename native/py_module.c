/* procession._core: the module. */
#include "crash_point.h"
#include "py_core.h"

#ifdef PROCESSION_CRASH_POINTS
/* crash_arm(name, passages=1): only in the crash build. */
static PyObject *crash_arm(PyObject *Py_UNUSED(module), PyObject *args)
{
    const char *name;
    unsigned int passages = 1;
    if (!PyArg_ParseTuple(args, "z|I", &name, &passages))
        return NULL;
    crash_point_arm(name, passages);
    Py_RETURN_NONE;
}

static PyMethodDef crash_functions[] = {
    {"crash_arm", crash_arm, METH_VARARGS, "Have this process killed at that crash point."},
    {NULL, NULL, 0, NULL},
};
#endif

static int add_all(PyObject *module)
{
    if (add_family(module) != 0 || add_handle(module) != 0 || add_block(module) != 0 ||
        add_lock(module) != 0 || add_channel(module) != 0 ||
        add_codec(module) != 0)
        return -1;
#ifdef PROCESSION_CRASH_POINTS
    return PyModule_AddFunctions(module, crash_functions);
#else
    return 0;
#endif
}

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, .m_name = "procession._core",
    .m_doc = "The native core: shared memory, locks and channels that outlive a kill.",
    .m_size = -1, /* one arena for the process, so one module */
};

PyMODINIT_FUNC PyInit__core(void)
{
    PyObject *module = PyModule_Create(&definition);
    if (module && add_all(module) != 0)
        Py_CLEAR(module);
    return module;
}
