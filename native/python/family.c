#include "family.h"

#include "../channel/channel_block.h"
#include "../channel/payload.h"
#include "../container/container.h"
#include "../shm/waker.h"
#include "../sync/barrier.h"
#include "../sync/condition.h"
#include "../sync/lock.h"
#include "../sync/semaphore.h"
#include "exception.h"

struct arena family;

/* Tells the core what to do with each kind of block: at forks, and for a process that died. */
static void register_block_kinds(void)
{
    lock_register();
    semaphore_register();
    condition_register();
    barrier_register();
    channel_register();
    payload_register();
    container_register();
    waker_register();
}

static enum status found_family(void)
{
    enum status status = arena_create(&family, ARENA_RESERVE);
    if (status != STATUS_OK)
        return status;
    uint32_t tag;
    status = table_reserve(&family, &tag);
    if (status == STATUS_OK)
        status = table_adopt(&family, tag);
    if (status == STATUS_OK)
        table_set_name(&family, "MainProcess"); /* for others' messages; children name themselves */
    else
        arena_close(&family);
    return status;
}

bool family_ensure(void)
{
    if (family.header != NULL) {
        if (family.tag != 0)
            return true;
        PyErr_SetString(PyExc_RuntimeError,
                        "this process could not be given a slot in its family's process table "
                        "when it was forked: the table or the memory was full");
        return false;
    }
    return check_status(found_family());
}

static PyObject *family_fd(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return family_ensure() ? PyLong_FromLong(family.mapping.fd) : NULL;
}

static PyObject *family_id(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    if (!family_ensure())
        return NULL;
    return PyBytes_FromStringAndSize((const char *)family.header->id, sizeof family.header->id);
}

/* A name is for people: one that is no str, or has no UTF-8, ends nothing. */
static PyObject *set_process_name(PyObject *Py_UNUSED(module), PyObject *argument)
{
    PyObject *text = PyObject_Str(argument);
    PyObject *name = text == NULL ? NULL
                                  : PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace");
    if (name == NULL)
        PyErr_WriteUnraisable(argument);
    else if (family.tag != 0)
        table_set_name(&family, PyBytes_AsString(name));
    Py_XDECREF(name);
    Py_XDECREF(text);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"family_fd", family_fd, METH_NOARGS, "The arena's descriptor; founds a family if need be."},
    {"family_id", family_id, METH_NOARGS, "The arena's random name, 16 bytes."},
    {"set_process_name", set_process_name, METH_O, "The name that others' messages give us."},
    {NULL, NULL, 0, NULL},
};

int add_family(PyObject *module)
{
    register_block_kinds();
    return PyModule_AddFunctions(module, functions);
}
