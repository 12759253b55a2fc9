#include "process_slot.h"

#include <stdlib.h>

#include "../os/liveness.h"
#include "exception.h"
#include "family.h"
#include "handle.h"

/* The entries that this process had when it joined the family, until release_given_references(). */
static uint32_t *given;
static uint32_t given_count;

/* ---- this process */

static bool remember_given(void)
{
    uint32_t count = handle_list(&family, NULL, 0);
    given = malloc((count + 1) * sizeof *given);
    if (given == NULL) {
        PyErr_NoMemory();
        return false;
    }
    given_count = handle_list(&family, given, count);
    return true;
}

/* join_family(fd, token) */
static PyObject *join_family(PyObject *Py_UNUSED(module), PyObject *args)
{
    int fd;
    unsigned int token;
    if (!PyArg_ParseTuple(args, "iI", &fd, &token))
        return NULL;
    if (family.header != NULL) {
        PyErr_SetString(PyExc_RuntimeError, "this process belongs to a family already");
        return NULL;
    }
    enum status status = arena_open(&family, fd);
    if (status == STATUS_CORRUPT)
        return PyErr_Format(PyExc_RuntimeError,
                            "descriptor %d is not the shared memory of a family of this version of "
                            "procession, or it was made where memory pages have another size",
                            fd);
    if (!check_status(status))
        return NULL;
    status = table_adopt(&family, token);
    if (status != STATUS_OK) {
        arena_close(&family);
        if (status != STATUS_STALE)
            return raise_status(status);
        PyErr_SetString(PyExc_RuntimeError,
                        "this process took so long to start that its family has given it up, or "
                        "its parent has died");
        return NULL;
    }
    if (!remember_given())
        return NULL;
    Py_RETURN_NONE;
}

/* ---- starting others */

static PyObject *give_reference(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned int token;
    HandleObject *object;
    if (!PyArg_ParseTuple(args, "IO!", &token, Handle_Type, &object) || !handle_is_ready(object))
        return NULL;
    if (!check_status(table_give_reference(&family, &object->handle, token)))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *set_slot_pid(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned int token;
    int pid;
    if (!PyArg_ParseTuple(args, "Ii", &token, &pid) || !family_ensure())
        return NULL;
    table_launched(&family, token, pid, process_start_time(pid));
    Py_RETURN_NONE;
}

static PyObject *abandon_slot(PyObject *Py_UNUSED(module), PyObject *argument)
{
    unsigned long token = PyLong_AsUnsignedLong(argument);
    if (PyErr_Occurred() || !family_ensure())
        return NULL;
    return PyBool_FromLong(table_abandon(&family, (uint32_t)token));
}

static PyObject *release_given_references(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    if (family_is_joined())
        for (uint32_t i = 0; i < given_count; i++) {
            struct handle handle = handle_at(&family, given[i]);
            handle_release(&family, &handle);
        }
    free(given);
    given = NULL;
    given_count = 0;
    Py_RETURN_NONE;
}

/* ---- after their end */

static PyObject *reclaim_process(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long pid = PyLong_AsLong(argument);
    if (PyErr_Occurred())
        return NULL;
    if (family_is_joined())
        table_reap_pid(&family, (int)pid);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"join_family", join_family, METH_VARARGS, "join_family(fd, token): take a reserved slot."},
    {"release_given_references", release_given_references, METH_NOARGS,
     "Release what give_reference() gave to this process before it began."},
    {"give_reference", give_reference, METH_VARARGS,
     "give_reference(token, handle): the process to be started holds it, too."},
    {"set_slot_pid", set_slot_pid, METH_VARARGS,
     "set_slot_pid(token, pid): the process has been started."},
    {"abandon_slot", abandon_slot, METH_O,
     "abandon_slot(token): release it. False: a process has it, or it was released before."},
    {"reclaim_process", reclaim_process, METH_O,
     "reclaim_process(pid): release what that dead child held."},
    {NULL, NULL, 0, NULL},
};

int add_process_slot(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
