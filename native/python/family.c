/* The family: this process's arena, its slot, and those of the processes that it starts. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "../channel/channel_block.h"
#include "../channel/payload.h"
#include "../container/container.h"
#include "../os/liveness.h"
#include "../shm/waker.h"
#include "../sync/barrier.h"
#include "../sync/condition.h"
#include "../sync/lock.h"
#include "../sync/semaphore.h"
#include "core.h"

struct arena family;

static uint32_t *inherited; /* entries that were there when this process joined: see settle() */
static uint32_t inherited_count;

/* ---- making and joining */

void family_register(void)
{
    static bool done;
    if (done)
        return;
    done = true;
    lock_register();
    semaphore_register();
    condition_register();
    barrier_register();
    channel_register();
    payload_register();
    container_register();
    waker_register();
    fork_register();
}

/* is_null(fd): whether that is /dev/null, and not closed or another file meanwhile. */
static PyObject *is_null(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long fd = PyLong_AsLong(argument);
    if (fd == -1 && PyErr_Occurred())
        return NULL;
    struct stat file;
    return PyBool_FromLong(fstat((int)fd, &file) == 0 && S_ISCHR(file.st_mode) &&
                           file.st_rdev == makedev(1, 3)); /* see null(4) */
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
                        "this process could not be given a place in its family's process table "
                        "when it was forked: the table or the memory was full");
        return false;
    }
    family_register();
    enum status status = found_family();
    if (status != STATUS_OK)
        raise_status(status);
    return status == STATUS_OK;
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

static bool remember_inherited(void)
{
    uint32_t count = handle_list(&family, NULL, 0);
    inherited = malloc((count + 1) * sizeof *inherited);
    if (inherited == NULL) {
        PyErr_NoMemory();
        return false;
    }
    inherited_count = handle_list(&family, inherited, count);
    return true;
}

static bool raise_if_not_ok(enum status status)
{
    if (status == STATUS_OK)
        return false;
    raise_status(status);
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
    family_register();
    if (raise_if_not_ok(arena_open(&family, fd)))
        return NULL;
    if (table_adopt(&family, token) != STATUS_OK) {
        arena_close(&family);
        PyErr_SetString(PyExc_RuntimeError,
                        "this process took so long to start that its family has given it up, or "
                        "its parent has died");
        return NULL;
    }
    if (!remember_inherited())
        return NULL;
    Py_RETURN_NONE;
}

/* ---- starting others */

static PyObject *reserve_slot(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    uint32_t tag;
    if (!family_ensure() || raise_if_not_ok(table_reserve(&family, &tag)))
        return NULL;
    return PyLong_FromUnsignedLong(tag);
}

static PyObject *hold(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned int token;
    HandleObject *object;
    if (!PyArg_ParseTuple(args, "IO!", &token, Handle_Type, &object) || !handle_is_ready(object))
        return NULL;
    if (raise_if_not_ok(table_give_reference(&family, &object->handle, token)))
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *launched(PyObject *Py_UNUSED(module), PyObject *args)
{
    unsigned int token;
    int pid;
    if (!PyArg_ParseTuple(args, "Ii", &token, &pid) || !family_ensure())
        return NULL;
    table_launched(&family, token, pid, process_start_time(pid));
    Py_RETURN_NONE;
}

static PyObject *abandon(PyObject *Py_UNUSED(module), PyObject *argument)
{
    unsigned long token = PyLong_AsUnsignedLong(argument);
    if (PyErr_Occurred() || !family_ensure())
        return NULL;
    table_abandon(&family, (uint32_t)token);
    Py_RETURN_NONE;
}

static PyObject *settle(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    if (family.tag != 0)
        for (uint32_t i = 0; i < inherited_count; i++) {
            struct handle handle = handle_at(&family, inherited[i]);
            handle_release(&family, &handle);
        }
    free(inherited);
    inherited = NULL;
    inherited_count = 0;
    Py_RETURN_NONE;
}

/* ---- after their end */

static PyObject *bury(PyObject *Py_UNUSED(module), PyObject *argument)
{
    long pid = PyLong_AsLong(argument);
    if (PyErr_Occurred())
        return NULL;
    if (family.tag != 0)
        table_reap_pid(&family, (int)pid);
    Py_RETURN_NONE;
}

static PyObject *reap(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyLong_FromUnsignedLong(family.tag != 0 ? table_reap_dead(&family) : 0);
}

static PyObject *set_process_name(PyObject *Py_UNUSED(module), PyObject *argument)
{
    const char *name = PyUnicode_AsUTF8AndSize(argument, NULL);
    if (name == NULL)
        return NULL;
    if (family.tag != 0)
        table_set_name(&family, name);
    Py_RETURN_NONE;
}

/* What of the arena is in use, in bytes and entries: for tests and for observers. */
static PyObject *arena_usage(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    if (!family_ensure())
        return NULL;
    struct arena_header *header = family.header;
    return Py_BuildValue(
        "{sKsKsKsKsIsI}", "used", (unsigned long long)word_get(&header->used_bytes), "committed",
        (unsigned long long)word_get(&header->committed), "warm",
        (unsigned long long)word_get(&header->warm_bytes), "slots",
        (unsigned long long)word_get(&header->slots_used), "held",
        (unsigned int)handle_list(&family, NULL, 0), "bells", waker_count(&family));
}

static PyMethodDef functions[] = {
    {"family_fd", family_fd, METH_NOARGS, "The arena's descriptor; founds a family if need be."},
    {"family_id", family_id, METH_NOARGS, "The arena's random name, 16 bytes."},
    {"join_family", join_family, METH_VARARGS, "join_family(fd, token): take a reserved slot."},
    {"reserve_slot", reserve_slot, METH_NOARGS, "A token of a slot for a process to be started."},
    {"hold", hold, METH_VARARGS, "hold(token, handle): the process to be holds it, too."},
    {"launched", launched, METH_VARARGS, "launched(token, pid): the process has been started."},
    {"abandon", abandon, METH_O, "abandon(token): the start failed; release its slot."},
    {"settle", settle, METH_NOARGS, "Drop what hold() kept for this process."},
    {"is_null", is_null, METH_O, "Whether the descriptor is open, and of /dev/null."},
    {"bury", bury, METH_O, "bury(pid): release what that dead child held."},
    {"reap", reap, METH_NOARGS, "Release what dead processes held; how many there were."},
    {"set_process_name", set_process_name, METH_O, "The name that others' messages give us."},
    {"arena_usage", arena_usage, METH_NOARGS, "Bytes and entries in use, as a dict."},
    {NULL, NULL, 0, NULL},
};

int add_family(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
