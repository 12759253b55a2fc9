#include "condition.h"

#include "../crash_point.h"
#include "../sync/condition.h"
#include "arguments.h"
#include "family.h"
#include "lock_reference.h"
#include "method_cache.h"
#include "waiting.h"

typedef struct {
    WaitingObject waiting;
    struct lock_reference lock;
} ConditionObject;

static struct condition *condition_of(ConditionObject *self)
{
    return self->waiting.base.memory;
}

static bool is_ready(ConditionObject *self)
{
    if (!handle_is_ready(&self->waiting.base))
        return false;
    if (self->lock.kind == LOCK_KIND_NONE)
        PyErr_SetString(PyExc_ValueError, "the condition has no lock yet");
    return self->lock.kind != LOCK_KIND_NONE;
}

static void fill(void *memory, uint64_t Py_UNUSED(size), const void *Py_UNUSED(with))
{
    condition_init(memory);
}

/* Condition(lock) */
static int Condition_init(ConditionObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"lock", NULL};
    PyObject *lock;
    HandleObject *base = &self->waiting.base;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O", names, &lock) ||
        !handle_begin_init(base, "condition") || !lock_reference_init(&self->lock, lock))
        return -1;
    return handle_finish_init(base, handle_create(&family, sizeof(struct condition),
                                                  BLOCK_CONDITION, fill, NULL, &base->handle));
}

static void Condition_dealloc(ConditionObject *self)
{
    lock_reference_clear(&self->lock);
    handle_dealloc((PyObject *)self);
}

/* ---- the lock */

static PyObject *Condition_enter(PyObject *self, PyObject *const *Py_UNUSED(args),
                                 Py_ssize_t Py_UNUSED(nargs))
{
    return lock_reference_enter(&((ConditionObject *)self)->lock);
}

static PyObject *Condition_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return lock_reference_exit(&((ConditionObject *)self)->lock, args, nargs);
}

static PyObject *Condition_lock_method(ConditionObject *self, void *name)
{
    return lock_reference_method(&self->lock, name);
}

static PyObject *Condition_lock(ConditionObject *self, void *Py_UNUSED(closure))
{
    return is_ready(self) ? Py_NewRef(self->lock.object) : NULL;
}

static bool has_lock(ConditionObject *self, const char *complaint)
{
    if (!is_ready(self))
        return false;
    bool held = lock_reference_is_held(&self->lock);
    if (!held)
        PyErr_SetString(PyExc_AssertionError, complaint);
    return held;
}

/* ---- waiting */

/* STATUS_OK, STATUS_TIMED_OUT; STATUS_OWNER_DIED: the holder of the lock died, perhaps before it
 * could notify; STATUS_INTERRUPTED: exception set. */
static enum status sleep_until_notified(ConditionObject *self, struct condition_wait *wait,
                                        deadline_t deadline)
{
    enum status status = deadline == 0 ? STATUS_TIMED_OUT : STATUS_INTERRUPTED;
    while (status == STATUS_INTERRUPTED) {
        Py_BEGIN_ALLOW_THREADS
        status = condition_sleep(&family, condition_of(self), wait, &self->waiting.spin_wait,
                                 deadline);
        Py_END_ALLOW_THREADS
        if (status == STATUS_INTERRUPTED && PyErr_CheckSignals() != 0)
            break;
        if (status == STATUS_INTERRUPTED && lock_reference_is_broken(&self->lock))
            return STATUS_OWNER_DIED;
    }
    return status;
}

/* Releases the lock, waits, and takes the lock again. The exception of a signal handler is
 * raised once the lock is held again. */
static PyObject *wait(ConditionObject *self, deadline_t deadline)
{
    struct condition_wait wait;
    struct condition *condition = condition_of(self);
    condition_enter(&family, condition, &wait);
    CRASH_POINT("condition.wait.before_release");
    uint32_t depth = lock_reference_release_all(&self->lock);
    if (depth == 0) {
        condition_leave(&family, condition, &wait, true);
        return NULL;
    }
    enum status status = sleep_until_notified(self, &wait, deadline);
    bool failed = status == STATUS_INTERRUPTED;
    PyObject *type, *value, *traceback;
    PyErr_Fetch(&type, &value, &traceback);
    bool has_lock = lock_reference_acquire_again(&self->lock, depth);
    bool notified = condition_leave(&family, condition, &wait, failed || !has_lock);
    CRASH_POINT("condition.wait.left");
    if (has_lock)
        PyErr_Restore(type, value, traceback);
    else {
        Py_XDECREF(type);
        Py_XDECREF(value);
        Py_XDECREF(traceback);
    }
    if (failed || !has_lock)
        return NULL;
    return PyBool_FromLong(notified || status == STATUS_OWNER_DIED);
}

/* Condition.wait(timeout=None) -> bool */
static PyObject *Condition_wait(ConditionObject *self, PyObject *const *args, Py_ssize_t nargs,
                                PyObject *names)
{
    PyObject *timeout;
    deadline_t deadline;
    if (!has_lock(self, "must acquire() condition before using wait()") ||
        !parse_only_timeout(args, nargs, names, "wait", &timeout) ||
        !parse_timeout(timeout, &deadline))
        return NULL;
    return wait(self, deadline);
}

/* ---- notifying */

/* Condition.notify(n=1) */
static PyObject *Condition_notify(ConditionObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"n", NULL};
    Py_ssize_t count = 1;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|n", names, &count) ||
        !has_lock(self, "lock is not owned"))
        return NULL;
    if (count > 0)
        condition_notify(&family, condition_of(self), (uint64_t)count);
    Py_RETURN_NONE;
}

static PyObject *Condition_notify_all(ConditionObject *self, PyObject *Py_UNUSED(unused))
{
    if (!has_lock(self, "lock is not owned"))
        return NULL;
    condition_notify(&family, condition_of(self), UINT64_MAX);
    Py_RETURN_NONE;
}

static PyObject *Condition_waiting(ConditionObject *self, PyObject *Py_UNUSED(unused))
{
    if (!is_ready(self))
        return NULL;
    return PyLong_FromUnsignedLong(condition_waiting(&family, condition_of(self)));
}

/* ---- pickling: the handle's own reference, and the lock */

static PyObject *Condition_reduce(ConditionObject *self, PyObject *Py_UNUSED(protocol))
{
    if (!is_ready(self))
        return NULL;
    return handle_reduce_with(&self->waiting.base, self->lock.object);
}

static PyObject *Condition_setstate(ConditionObject *self, PyObject *lock)
{
    if (self->lock.kind != LOCK_KIND_NONE) {
        PyErr_SetString(PyExc_ValueError, "the condition has a lock already");
        return NULL;
    }
    return lock_reference_init(&self->lock, lock) ? Py_NewRef(Py_None) : NULL;
}

static PyMethodDef methods[] = {
    {"wait", METHOD(Condition_wait), METH_FASTCALL | METH_KEYWORDS,
     "wait($self, /, timeout=None)\n--\n\nGive the lock back until notified; True, or False when "
     "*timeout* seconds have passed."},
    {"notify", METHOD(Condition_notify), METH_VARARGS | METH_KEYWORDS,
     "notify($self, /, n=1)\n--\n\nWake the *n* that have waited longest."},
    {"notify_all", (PyCFunction)Condition_notify_all, METH_NOARGS,
     "notify_all($self, /)\n--\n\nWake all that wait."},
    {"_waiting", (PyCFunction)Condition_waiting, METH_NOARGS,
     "_waiting($self, /)\n--\n\nHow many wait."},
    {"__reduce__", (PyCFunction)Condition_reduce, METH_NOARGS, "Pickle as a reference."},
    {"__reduce_ex__", (PyCFunction)Condition_reduce, METH_O, "Pickle as a reference."},
    {"__setstate__", (PyCFunction)Condition_setstate, METH_O, NULL},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getters[] = {
    {"acquire", (getter)Condition_lock_method, NULL, "The lock's method.", "acquire"},
    {"release", (getter)Condition_lock_method, NULL, "The lock's method.", "release"},
    {"_lock", (getter)Condition_lock, NULL, "The lock.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, waiting_new},
    {Py_tp_init, Condition_init},
    {Py_tp_dealloc, Condition_dealloc},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {Py_tp_doc, "Condition(lock): processes that wait for a change of what a lock protects."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.Condition",
    .basicsize = sizeof(ConditionObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int add_condition(PyObject *module)
{
    PyTypeObject *type = add_handle_type(module, &spec, BLOCK_CONDITION);
    return type ? add_context_manager(type, Condition_enter, Condition_exit) : -1;
}
