#include "lock_site.h"

#include <string.h>

#include "family.h"

bool lock_sites_wanted;

/* Errors are ignored: it is for a message. */
void lock_record_site(struct lock *lock)
{
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    if (frame == NULL)
        return;
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *file = PyObject_GetAttrString((PyObject *)code, "co_filename");
    PyObject *function = PyObject_GetAttrString((PyObject *)code, "co_name");
    PyObject *text = file && function ? PyUnicode_FromFormat("%U:%d in %U", file,
                                                             PyFrame_GetLineNumber(frame), function)
                                      : NULL;
    Py_ssize_t size;
    const char *utf8 = text ? PyUnicode_AsUTF8AndSize(text, &size) : NULL;
    if (utf8) {
        /* Of a long text the end says more. */
        Py_ssize_t skip = size > LOCK_SITE_BYTES ? size - LOCK_SITE_BYTES : 0;
        memset(lock->site, 0, LOCK_SITE_BYTES);
        memcpy(lock->site, utf8 + skip, (size_t)(size - skip));
        atomic_store(&lock->site_known, family.tag);
    }
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(function);
    Py_XDECREF(file);
    Py_DECREF((PyObject *)code);
    Py_DECREF((PyObject *)frame);
}

static PyObject *record_lock_sites(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int wanted = PyObject_IsTrue(argument);
    if (wanted < 0)
        return NULL;
    lock_sites_wanted = wanted;
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"record_lock_sites", record_lock_sites, METH_O,
     "record_lock_sites(flag): whether each acquire writes down its source line, for "
     "BrokenLockError."},
    {NULL, NULL, 0, NULL},
};

int add_lock_site(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
