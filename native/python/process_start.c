/* Idea      The handler of a signal may raise between any two bytecodes. If that happens after a
 *           child was launched and before its parent has noted it, no code of the parent's knows of
 *           the child. So the slot's token, the launch and the child's pid belong to an object: the
 *           core writes the pid down before any handler can run, and an object that goes without
 *           complete() gives the start up: the child is killed and waited for, its slot released.
 * Crash     A parent that is killed in between leaves a slot that says whose it is, or that is
 *           starting: see shm/reaper.h. */
#include "process_start.h"

#include "../os/liveness.h"
#include "exception.h"
#include "family.h"
#include "type.h"

PyTypeObject *ProcessStart_Type;

/* In a forked child the object is its parent's. */
static bool is_under_way(ProcessStartObject *self)
{
    return self->tag != 0 && family_is_joined() && self->parent == family.tag;
}

void process_start_set(ProcessStartObject *self, uint32_t tag)
{
    self->parent = family.tag;
    self->tag = tag;
}

static PyObject *reserve(ProcessStartObject *self, PyObject *Py_UNUSED(unused))
{
    uint32_t tag;
    if (self->tag != 0)
        return PyErr_Format(PyExc_ValueError, "this start has a slot already");
    if (!family_ensure() || !check_status(table_reserve(&family, &tag)))
        return NULL;
    process_start_set(self, tag);
    return PyLong_FromUnsignedLong(tag);
}

/* launch(function, *args, **kwargs) -> pid: what function(...) returns, a builtin of the
 * interpreter's own that starts a process. */
static PyObject *launch(ProcessStartObject *self, PyObject *args, PyObject *kwargs)
{
    Py_ssize_t count = PyTuple_Size(args);
    if (count < 1 || !is_under_way(self)) {
        PyErr_SetString(PyExc_ValueError, "launch() takes a function, and a start with a slot");
        return NULL;
    }
    PyObject *rest = PyTuple_GetSlice(args, 1, count);
    PyObject *pid = rest ? PyObject_Call(PyTuple_GetItem(args, 0), rest, kwargs) : NULL;
    Py_XDECREF(rest);
    if (pid == NULL)
        return NULL;
    long number = PyLong_AsLong(pid);
    if (number == -1 && PyErr_Occurred())
        Py_CLEAR(pid);
    else /* before any handler of a signal runs */
        table_launched(&family, self->tag, (int)number, process_start_time((pid_t)number));
    return pid;
}

static PyObject *complete(ProcessStartObject *self, PyObject *Py_UNUSED(unused))
{
    self->complete = true;
    self->tag = 0;
    Py_RETURN_NONE;
}

static PyObject *cancel(ProcessStartObject *self, PyObject *Py_UNUSED(unused))
{
    if (is_under_way(self)) {
        uint32_t tag = self->tag;
        self->tag = 0;
        Py_BEGIN_ALLOW_THREADS
        table_cancel_start(&family, tag); /* waits for the end of the child */
        Py_END_ALLOW_THREADS
    }
    return PyBool_FromLong(!self->complete);
}

static void dealloc(PyObject *object)
{
    ProcessStartObject *self = (ProcessStartObject *)object;
    PyTypeObject *type = Py_TYPE(object);
    if (is_under_way(self))
        table_cancel_start(&family, self->tag);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef methods[] = {
    {"reserve", (PyCFunction)reserve, METH_NOARGS, "Reserve the child's slot; return its token."},
    {"launch", (PyCFunction)(void (*)(void))launch, METH_VARARGS | METH_KEYWORDS,
     "launch(function, *args, **kwargs): start the child by function, which returns its pid, and "
     "note it."},
    {"complete", (PyCFunction)complete, METH_NOARGS, "The child is known from now on."},
    {"cancel", (PyCFunction)cancel, METH_NOARGS,
     "Give the start up: kill the child, if there is one, and wait for it. False: the start is "
     "complete."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_dealloc, dealloc},
    {Py_tp_methods, methods},
    {Py_tp_doc, "The start of a process, which is given up with this object unless complete()."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.ProcessStart",
    .basicsize = sizeof(ProcessStartObject),
    .flags = Py_TPFLAGS_DEFAULT,
    .slots = slots,
};

int add_process_start(PyObject *module)
{
    ProcessStart_Type = add_type(module, &spec, NULL);
    return ProcessStart_Type ? 0 : -1;
}
