/* procession._core: the module. */
#include "../crash_point.h"
#include "../shm/check.h"
#include "core.h"

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

static void add_problem(void *list, const char *problem)
{
    PyObject *text = PyUnicode_FromString(problem);
    if (text == NULL || PyList_Append(list, text) != 0)
        PyErr_Clear(); /* no memory: check_arena() sees it */
    Py_XDECREF(text);
}

/* arena_check() -> list of str: only in the crash build. */
static PyObject *check_arena(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
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

static PyMethodDef crash_functions[] = {
    {"crash_arm", crash_arm, METH_VARARGS, "Have this process killed at that crash point."},
    {"arena_check", check_arena, METH_NOARGS, "All that is wrong with the arena: none, hopefully."},
    {NULL, NULL, 0, NULL},
};
#endif

static int add_all(PyObject *module)
{
    if (add_family(module) != 0 || add_fork(module) != 0 || add_handle(module) != 0 ||
        add_block(module) != 0 || add_lock(module) != 0 || add_channel(module) != 0 ||
        add_task_channel(module) != 0 || add_codec(module) != 0 || add_bell(module) != 0 ||
        add_line(module) != 0 || add_seat(module) != 0 || add_key(module) != 0 ||
        add_dict(module) != 0 || add_list(module) != 0)
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
