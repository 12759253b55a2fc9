#include "barrier.h"

#include <string.h>

#include "../sync/barrier.h"
#include "arguments.h"
#include "exception.h"
#include "family.h"
#include "hooks.h"
#include "waiting.h"

typedef struct {
    WaitingObject waiting;
    PyObject *action, *timeout; /* owned; NULL until there is a block */
} BarrierObject;

static struct barrier *barrier_of(BarrierObject *self)
{
    return self->waiting.base.memory;
}

static bool is_ready(BarrierObject *self)
{
    if (!handle_is_ready(&self->waiting.base))
        return false;
    if (self->action == NULL)
        PyErr_SetString(PyExc_ValueError, "the barrier was not initialised");
    return self->action != NULL;
}

/* False: exception set. */
static bool set_arguments(BarrierObject *self, PyObject *action, PyObject *timeout)
{
    deadline_t unused;
    if (self->action != NULL || (action != Py_None && !PyCallable_Check(action))) {
        PyErr_SetString(PyExc_TypeError, "action must be callable, and given once");
        return false;
    }
    if (!parse_timeout(timeout, &unused))
        return false;
    self->action = Py_NewRef(action);
    self->timeout = Py_NewRef(timeout);
    return true;
}

/* Barrier(parties, action=None, timeout=None, *, ctx=None) */
static int Barrier_init(BarrierObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"parties", "action", "timeout", "ctx", NULL};
    long long parties;
    PyObject *action = Py_None, *timeout = Py_None, *ctx;
    HandleObject *base = &self->waiting.base;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "L|OO$O", names, &parties, &action, &timeout,
                                     &ctx) ||
        !handle_begin_init(base, "barrier"))
        return -1;
    if (parties < 1 || parties > BARRIER_MOST_PARTIES) {
        PyErr_Format(PyExc_ValueError, "parties must be > 0 and at most %u, not %lld",
                     BARRIER_MOST_PARTIES, parties);
        return -1;
    }
    if (!set_arguments(self, action, timeout))
        return -1;
    return handle_finish_init(base, barrier_create(&family, (uint32_t)parties, &base->handle));
}

static void Barrier_dealloc(BarrierObject *self)
{
    Py_CLEAR(self->action);
    Py_CLEAR(self->timeout);
    handle_dealloc((PyObject *)self);
}

/* ---- waiting */

static PyObject *raise_failed(struct barrier *barrier)
{
    PyObject *broken_barrier_error = hook_value(HOOK_BROKEN_BARRIER);
    if (broken_barrier_error == NULL)
        return NULL;
    uint64_t pid = word_get(&barrier->dead.pid);
    char name[SLOT_NAME_BYTES + 1] = {0};
    memcpy(name, barrier->dead.name, SLOT_NAME_BYTES);
    if (pid == 0)
        PyErr_SetNone(broken_barrier_error);
    else
        PyErr_Format(broken_barrier_error,
                     "process %s (pid %llu), a party of this barrier, died; call reset() once it "
                     "is replaced",
                     *name ? name : "without a name", (unsigned long long)pid);
    return NULL;
}

/* STATUS_OK: look again; STATUS_TIMED_OUT; STATUS_INTERRUPTED: exception set. */
static enum status sleep_once(BarrierObject *self, struct barrier_wait *wait, deadline_t deadline)
{
    enum status status;
    if (deadline == 0)
        return STATUS_TIMED_OUT;
    Py_BEGIN_ALLOW_THREADS
    status = barrier_sleep(&family, barrier_of(self), wait, &self->waiting.spin_wait, deadline);
    Py_END_ALLOW_THREADS
    return status == STATUS_INTERRUPTED && PyErr_CheckSignals() == 0 ? STATUS_OK : status;
}

/* BARRIER_BUSY: exception set. */
static enum barrier_result wait_for_others(BarrierObject *self, struct barrier_wait *wait,
                                           deadline_t deadline)
{
    struct barrier *barrier = barrier_of(self);
    enum barrier_result result;
    while ((result = barrier_look(barrier, wait)) == BARRIER_WAIT) {
        enum status status = sleep_once(self, wait, deadline);
        if (status == STATUS_TIMED_OUT)
            return barrier_give_up(barrier, wait);
        if (status == STATUS_INTERRUPTED) {
            barrier_leave(&family, barrier, wait);
            return BARRIER_BUSY;
        }
    }
    return result;
}

/* Until no action is under way. BARRIER_BUSY: exception set. */
static enum barrier_result come(BarrierObject *self, struct barrier_wait *wait, deadline_t deadline)
{
    struct barrier *barrier = barrier_of(self);
    enum barrier_result result;
    bool has_action = self->action != Py_None;
    while ((result = barrier_arrive(&family, barrier, has_action, wait)) == BARRIER_BUSY) {
        enum status status = sleep_once(self, wait, deadline);
        if (status == STATUS_TIMED_OUT)
            return barrier_give_up(barrier, wait);
        if (status == STATUS_INTERRUPTED)
            return BARRIER_BUSY;
    }
    return result;
}

/* Runs the action. BARRIER_BUSY: it has raised. */
static enum barrier_result act(BarrierObject *self, struct barrier_wait *wait)
{
    PyObject *done = PyObject_CallNoArgs(self->action);
    if (done == NULL) {
        barrier_abort(barrier_of(self));
        return BARRIER_BUSY;
    }
    Py_DECREF(done);
    return barrier_finish(barrier_of(self), wait);
}

/* Barrier.wait(timeout=None) -> how many parties had come before this one */
static PyObject *Barrier_wait(BarrierObject *self, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *names)
{
    PyObject *timeout;
    deadline_t deadline;
    if (!is_ready(self) || !parse_only_timeout(args, nargs, names, "wait", &timeout) ||
        !parse_timeout(timeout && timeout != Py_None ? timeout : self->timeout, &deadline))
        return NULL;
    struct barrier_wait wait = {0};
    enum barrier_result result = come(self, &wait, deadline);
    if (result == BARRIER_WAIT)
        result = wait_for_others(self, &wait, deadline);
    else if (result == BARRIER_LAST)
        result = act(self, &wait);
    if (result == BARRIER_BUSY)
        return NULL;
    return result == BARRIER_FAILED ? raise_failed(barrier_of(self))
                                    : PyLong_FromUnsignedLong(wait.index);
}

/* ---- the rest */

static PyObject *Barrier_abort(BarrierObject *self, PyObject *Py_UNUSED(unused))
{
    if (!is_ready(self))
        return NULL;
    barrier_abort(barrier_of(self));
    Py_RETURN_NONE;
}

static PyObject *Barrier_reset(BarrierObject *self, PyObject *Py_UNUSED(unused))
{
    if (!is_ready(self))
        return NULL;
    barrier_reset(barrier_of(self));
    Py_RETURN_NONE;
}

static PyObject *Barrier_parties(BarrierObject *self, void *Py_UNUSED(closure))
{
    return is_ready(self) ? PyLong_FromUnsignedLong(barrier_of(self)->parties) : NULL;
}

static PyObject *Barrier_n_waiting(BarrierObject *self, void *Py_UNUSED(closure))
{
    return is_ready(self) ? PyLong_FromUnsignedLong(barrier_waiting(barrier_of(self))) : NULL;
}

static PyObject *Barrier_broken(BarrierObject *self, void *Py_UNUSED(closure))
{
    if (!is_ready(self))
        return NULL;
    return PyBool_FromLong(barrier_state(barrier_of(self)) == BARRIER_BROKEN);
}

static PyObject *Barrier_reduce(BarrierObject *self, PyObject *Py_UNUSED(protocol))
{
    if (!is_ready(self))
        return NULL;
    PyObject *state = PyTuple_Pack(2, self->action, self->timeout);
    PyObject *result = state ? handle_reduce_with(&self->waiting.base, state) : NULL;
    Py_XDECREF(state);
    return result;
}

static PyObject *Barrier_setstate(BarrierObject *self, PyObject *state)
{
    PyObject *action, *timeout;
    if (!PyArg_ParseTuple(state, "OO", &action, &timeout) || !set_arguments(self, action, timeout))
        return NULL;
    Py_RETURN_NONE;
}

static PyMethodDef methods[] = {
    {"wait", METHOD(Barrier_wait), METH_FASTCALL | METH_KEYWORDS,
     "wait($self, /, timeout=None)\n--\n\nUntil all parties have come; how many had come before "
     "this one. BrokenBarrierError when that cannot be, or not in time."},
    {"abort", (PyCFunction)Barrier_abort, METH_NOARGS, "abort($self, /)\n--\n\nBreak the barrier."},
    {"reset", (PyCFunction)Barrier_reset, METH_NOARGS,
     "reset($self, /)\n--\n\nMake it as new; parties that wait get BrokenBarrierError."},
    {"__reduce__", (PyCFunction)Barrier_reduce, METH_NOARGS, "Pickle as a reference."},
    {"__reduce_ex__", (PyCFunction)Barrier_reduce, METH_O, "Pickle as a reference."},
    {"__setstate__", (PyCFunction)Barrier_setstate, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getters[] = {
    {"parties", (getter)Barrier_parties, NULL, "How many must come.", NULL},
    {"n_waiting", (getter)Barrier_n_waiting, NULL, "How many have come.", NULL},
    {"broken", (getter)Barrier_broken, NULL, "Whether no party can pass any more.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, waiting_new},
    {Py_tp_init, Barrier_init},
    {Py_tp_dealloc, Barrier_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {Py_tp_doc, "Barrier(parties, action=None, timeout=None, *, ctx=None)\n--\n\nA point at "
                "which processes wait for one another."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.Barrier",
    .basicsize = sizeof(BarrierObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int add_barrier(PyObject *module)
{
    return add_handle_type(module, &spec, BLOCK_BARRIER) ? 0 : -1;
}
