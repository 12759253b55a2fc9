/* procession._core: the module object. */
#define PY_SSIZE_T_CLEAN
#include <Python.h>

static PyModuleDef module_definition = {
    PyModuleDef_HEAD_INIT,
    .m_name = "procession._core",
    .m_doc = "Shared memory, locks and channels of one family of processes.",
    .m_size = 0,
};

PyMODINIT_FUNC PyInit__core(void)
{
    return PyModuleDef_Init(&module_definition);
}
