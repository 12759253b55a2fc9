#include "family.h"

#include "../channel/channel_block.h"
#include "../channel/payload.h"
#include "../container/container.h"
#include "../os/memory_room.h"
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

/* ---- processes without a slot */

static enum status why_left;

void family_left(enum status status)
{
    family.tag = 0;
    why_left = status;
}

void family_raise_not_joined(void)
{
    if (family.tag != 0)
        PyErr_SetString(PyExc_RuntimeError,
                        "this process was forked by C code that the C library does not know of "
                        "(clone or vfork as a bare system call), so it has no place in its "
                        "family's process table and cannot use what its parent shares; make it by "
                        "os.fork(), fork() or a Process");
    else if (why_left == STATUS_OTHER_NAMESPACE)
        raise_status(why_left);
    else
        PyErr_SetString(PyExc_RuntimeError,
                        "this process could not be given a slot in its family's process table "
                        "when it was forked: the table or the memory was full");
}

bool family_ensure(void)
{
    if (family.header == NULL)
        return check_status(found_family());
    if (!family_is_joined())
        family_raise_not_joined();
    return family_is_joined();
}

/* ---- its file */

static PyObject *family_fd(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    if (!family_ensure())
        return NULL;
    const struct memory_file *file = &family.mapping.file;
    return PyLong_FromLong(memory_file_is_open(file) ? file->fd : -1);
}

static PyObject *family_file(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    if (!family_ensure())
        return NULL;
    const struct mapping *mapping = &family.mapping;
    return Py_BuildValue("KKK", (unsigned long long)mapping->file.device,
                         (unsigned long long)mapping->file.inode,
                         (unsigned long long)(uintptr_t)mapping->base);
}

static PyObject *family_pids(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    if (!family_ensure())
        return NULL;
    PyObject *pids = PyList_New(0);
    uint64_t used = word_get(&family.header->slots_used);
    for (uint32_t i = 0; pids && i < used && i < SLOT_COUNT; i++) {
        uint64_t pid = word_get(&arena_slot(&family, i)->pid);
        PyObject *number = pid ? PyLong_FromUnsignedLongLong(pid) : NULL;
        if (pid && (number == NULL || PyList_Append(pids, number) != 0))
            Py_CLEAR(pids);
        Py_XDECREF(number);
    }
    return pids;
}

/* reopen_family(fd) -> bool */
static PyObject *reopen_family(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int fd = PyObject_AsFileDescriptor(argument);
    if (fd < 0 || !family_ensure())
        return NULL;
    return PyBool_FromLong(arena_reopened(&family, fd));
}

/* memory_file(data) -> descriptor, at whose start the file is read. */
static PyObject *new_memory_file(PyObject *Py_UNUSED(module), PyObject *argument)
{
    char *data;
    Py_ssize_t size;
    if (PyBytes_AsStringAndSize(argument, &data, &size) != 0)
        return NULL;
    struct memory_file file;
    if (!check_status(memory_file_create_with(&file, data, (uint64_t)size)))
        return NULL;
    return PyLong_FromLong(file.fd);
}

/* memory_room() -> int */
static PyObject *memory_room(PyObject *Py_UNUSED(module), PyObject *Py_UNUSED(unused))
{
    return PyLong_FromUnsignedLongLong(memory_room_below("").bytes);
}

/* ---- names */

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
    else if (family_is_joined())
        table_set_name(&family, PyBytes_AsString(name));
    Py_XDECREF(name);
    Py_XDECREF(text);
    Py_RETURN_NONE;
}

static PyMethodDef functions[] = {
    {"family_fd", family_fd, METH_NOARGS,
     "The arena's descriptor, -1 if it was closed; founds a family if need be."},
    {"family_file", family_file, METH_NOARGS,
     "Device and inode of the arena's file (0: unknown), and where it is mapped."},
    {"family_pids", family_pids, METH_NOARGS, "Pids in the process table, perhaps of the dead."},
    {"reopen_family", reopen_family, METH_O,
     "reopen_family(fd): take another descriptor of the arena's file; False: it is another file."},
    {"memory_room", memory_room, METH_NOARGS,
     "How many bytes of memory can be had: in the machine, and by its control groups."},
    {"memory_file", new_memory_file, METH_O,
     "memory_file(data): a new file in memory, even under a limit of file sizes if the system "
     "allows it."},
    {"family_id", family_id, METH_NOARGS, "The arena's random name, 16 bytes."},
    {"set_process_name", set_process_name, METH_O, "The name that others' messages give us."},
    {NULL, NULL, 0, NULL},
};

int add_family(PyObject *module)
{
    register_block_kinds();
    return PyModule_AddFunctions(module, functions);
}
