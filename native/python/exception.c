#include "exception.h"

#include <errno.h>

#include "../os/memory_room.h"
#include "../shm/process_table.h"

PyObject *take_exception(void)
{
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    PyErr_NormalizeException(&type, &value, &traceback);
    if (traceback && PyException_SetTraceback(value, traceback) != 0)
        PyErr_Clear();
    Py_XDECREF(type);
    Py_XDECREF(traceback);
    return value;
}

void raise_object(PyObject *error)
{
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
}

bool may_go_on(enum status status)
{
    return status == STATUS_OK || (status == STATUS_INTERRUPTED && PyErr_CheckSignals() == 0);
}

bool check_status(enum status status)
{
    if (status != STATUS_OK)
        raise_status(status);
    return status == STATUS_OK;
}

/* Names what is short, with numbers: nothing else would tell. */
static void raise_no_memory(void)
{
    static const char remedy[] = "free what is no longer needed, send less at a time";
    struct memory_room room = memory_room_below("");
    uint64_t limit = mapping_limit();
    if (limit != UINT64_MAX)
        PyErr_Format(PyExc_MemoryError,
                     "the shared arena cannot grow: memory (or this container's limit) is used up, "
                     "or this process's address space, which RLIMIT_AS limits to %llu bytes; %s, "
                     "or raise the limit",
                     (unsigned long long)limit, remedy);
    else if (room.limit != NO_MEMORY_LIMIT)
        PyErr_Format(PyExc_MemoryError,
                     "the shared arena cannot grow: of the %llu bytes of memory that this "
                     "process's control group (a container's limit) allows, %llu are in use; %s, "
                     "or raise the limit",
                     (unsigned long long)room.limit, (unsigned long long)room.used, remedy);
    else
        PyErr_Format(PyExc_MemoryError,
                     "the shared arena cannot grow: memory is used up, %llu bytes of it are "
                     "available; %s",
                     (unsigned long long)room.bytes, remedy);
}

static void set_other_namespace(void)
{
    PyErr_SetString(PyExc_RuntimeError,
                    "this process is in another PID namespace than the family of processes "
                    "that it would join: shared locks know their owners by numbers that mean "
                    "another process there; start it without unshare(CLONE_NEWPID) or "
                    "'unshare --pid', or talk to it by a Listener and a Client");
}

PyObject *raise_status(enum status status)
{
    switch (status) {
    case STATUS_NO_MEMORY:
        raise_no_memory();
        break;
    case STATUS_FULL_TABLE:
        PyErr_Format(PyExc_RuntimeError,
                     "more than %d processes in one family; let some of them end first",
                     (int)SLOT_COUNT);
        break;
    case STATUS_STALE:
        PyErr_SetString(
            PyExc_RuntimeError,
            "the shared object no longer exists: every process that held it has released "
            "it or has died; keep a reference until the receiver has its own");
        break;
    case STATUS_CORRUPT:
        PyErr_SetString(PyExc_RuntimeError,
                        "shared memory holds what no correct program writes; something has written "
                        "over it");
        break;
    case STATUS_OTHER_NAMESPACE:
        set_other_namespace();
        break;
    case STATUS_NOT_HELD:
        PyErr_SetString(PyExc_ValueError, "semaphore or lock released too many times");
        break;
    case STATUS_MISSING:
        PyErr_SetString(PyExc_IndexError, "index out of range");
        break;
    case STATUS_SYSTEM:
        PyErr_SetFromErrno(PyExc_OSError);
        break;
    default:
        PyErr_Format(PyExc_SystemError, "unexpected status %d of the core", (int)status);
    }
    return NULL;
}
