#include "semaphore.h"

#include "../sync/semaphore.h"
#include "arguments.h"
#include "exception.h"
#include "family.h"
#include "method_cache.h"
#include "waiting.h"

static struct semaphore *semaphore_of(WaitingObject *self)
{
    return self->base.memory;
}

/* Semaphore(value=1, maxvalue=SEMAPHORE_MAX) */
static int Semaphore_init(WaitingObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"value", "maxvalue", NULL};
    long long value = 1, max = SEMAPHORE_MAX;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|LL", names, &value, &max) ||
        !handle_begin_init(&self->base, "semaphore"))
        return -1;
    if (value < 0 || value > max || max > SEMAPHORE_MAX) {
        PyErr_Format(PyExc_ValueError, "invalid value %lld: a semaphore has 0 to %lld permits",
                     value, max < SEMAPHORE_MAX ? max : (long long)SEMAPHORE_MAX);
        return -1;
    }
    return handle_finish_init(
        &self->base, semaphore_create(&family, (uint32_t)value, (uint32_t)max, &self->base.handle));
}

/* After the first try has failed. A caller that only polls must learn of deaths, too. Looking for
 * them may cost as much as a hundred tries, so it is not done each time. */
static enum status poll(struct semaphore *semaphore)
{
    static _Atomic deadline_t next;
    deadline_t now = clock_now();
    if (now < atomic_load(&next))
        return STATUS_AGAIN;
    atomic_store(&next, now + SLICE_NS);
    semaphore_look_after(&family, semaphore);
    return semaphore_try(&family, semaphore);
}

static PyObject *acquire_slowly(WaitingObject *self, deadline_t deadline)
{
    struct semaphore *semaphore = semaphore_of(self);
    enum status status = poll(semaphore);
    while (status == STATUS_AGAIN && deadline != 0) {
        Py_BEGIN_ALLOW_THREADS
        status = semaphore_wait(&family, semaphore, &self->spin_wait, deadline);
        Py_END_ALLOW_THREADS
        if (status == STATUS_TIMED_OUT)
            deadline = 0; /* the loop tries once more */
        else if (!may_go_on(status))
            return NULL;
        status = semaphore_try(&family, semaphore);
    }
    return PyBool_FromLong(status == STATUS_OK);
}

/* Semaphore.acquire(block=True, timeout=None) -> bool */
static PyObject *Semaphore_acquire(WaitingObject *self, PyObject *const *args, Py_ssize_t nargs,
                                   PyObject *names)
{
    deadline_t deadline = DEADLINE_NEVER;
    if (!handle_is_ready(&self->base))
        return NULL;
    if ((nargs || names) && !parse_wait(args, nargs, names, "acquire", NULL, &deadline))
        return NULL;
    if (semaphore_try(&family, semaphore_of(self)) == STATUS_OK)
        Py_RETURN_TRUE;
    return acquire_slowly(self, deadline);
}

static PyObject *Semaphore_release(WaitingObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(&self->base))
        return NULL;
    enum status status = semaphore_release(&family, semaphore_of(self));
    if (status != STATUS_OK)
        return raise_status(status);
    Py_RETURN_NONE;
}

static PyObject *Semaphore_enter(PyObject *self, PyObject *const *Py_UNUSED(args),
                                 Py_ssize_t Py_UNUSED(nargs))
{
    return Semaphore_acquire((WaitingObject *)self, NULL, 0, NULL);
}

static PyObject *Semaphore_exit(PyObject *self, PyObject *const *Py_UNUSED(args),
                                Py_ssize_t Py_UNUSED(nargs))
{
    return Semaphore_release((WaitingObject *)self, NULL);
}

static PyObject *Semaphore_get_value(WaitingObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(&self->base))
        return NULL;
    return PyLong_FromUnsignedLong(semaphore_value(semaphore_of(self)));
}

static PyObject *Semaphore_locked(WaitingObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(&self->base))
        return NULL;
    return PyBool_FromLong(semaphore_value(semaphore_of(self)) == 0);
}

static PyObject *Semaphore_maxvalue(WaitingObject *self, void *Py_UNUSED(closure))
{
    return handle_is_ready(&self->base) ? PyLong_FromUnsignedLong(semaphore_of(self)->max) : NULL;
}

static PyMethodDef methods[] = {
    {"acquire", METHOD(Semaphore_acquire), METH_FASTCALL | METH_KEYWORDS,
     "acquire($self, /, block=True, timeout=None)\n--\n\nTrue with a permit, False when *timeout* "
     "seconds have passed."},
    {"release", (PyCFunction)Semaphore_release, METH_NOARGS,
     "release($self, /)\n--\n\nAdd a permit; ValueError when there are as many as may be."},
    {"get_value", (PyCFunction)Semaphore_get_value, METH_NOARGS,
     "get_value($self, /)\n--\n\nHow many permits are free."},
    {"locked", (PyCFunction)Semaphore_locked, METH_NOARGS,
     "locked($self, /)\n--\n\nWhether no permit is free."},
    {NULL, NULL, 0, NULL},
};

static PyGetSetDef getters[] = {
    {"maxvalue", (getter)Semaphore_maxvalue, NULL, "The most permits there may be.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, waiting_new},
    {Py_tp_init, Semaphore_init},
    {Py_tp_methods, methods},
    {Py_tp_getset, getters},
    {Py_tp_doc, "Semaphore(value=1, maxvalue=2**31 - 1): permits that processes take and return."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.Semaphore",
    .basicsize = sizeof(WaitingObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int add_semaphore(PyObject *module)
{
    PyTypeObject *type = add_handle_type(module, &spec, BLOCK_SEMAPHORE);
    return type ? add_context_manager(type, Semaphore_enter, Semaphore_exit) : -1;
}
