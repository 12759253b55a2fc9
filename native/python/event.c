#include "event.h"

#include "../crash_point.h"
#include "../sync/event.h"
#include "arguments.h"
#include "family.h"
#include "waiting.h"

static struct event *event_of(WaitingObject *self)
{
    return self->base.memory;
}

static void fill(void *memory, uint64_t Py_UNUSED(size), const void *Py_UNUSED(with))
{
    *(struct event *)memory = (struct event){0};
}

/* Event(*, ctx=None) */
static int Event_init(WaitingObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"ctx", NULL};
    PyObject *ctx;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$O", names, &ctx) ||
        !handle_begin_init(&self->base, "event"))
        return -1;
    return handle_finish_init(&self->base, handle_create(&family, sizeof(struct event), BLOCK_EVENT,
                                                         fill, NULL, &self->base.handle));
}

static PyObject *Event_is_set(WaitingObject *self, PyObject *Py_UNUSED(unused))
{
    return handle_is_ready(&self->base) ? PyBool_FromLong(event_look(event_of(self)) & 1) : NULL;
}

static PyObject *Event_set(WaitingObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(&self->base))
        return NULL;
    event_set(event_of(self));
    Py_RETURN_NONE;
}

static PyObject *Event_clear(WaitingObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(&self->base))
        return NULL;
    CRASH_POINT("event.clear.before_commit");
    event_clear(event_of(self));
    CRASH_POINT("event.clear.committed");
    Py_RETURN_NONE;
}

static PyObject *wait(WaitingObject *self, uint32_t seen, deadline_t deadline)
{
    enum status status;
    do {
        Py_BEGIN_ALLOW_THREADS
        status = event_wait(event_of(self), &self->spin_wait, seen, deadline);
        Py_END_ALLOW_THREADS
        if (status == STATUS_INTERRUPTED && PyErr_CheckSignals() != 0)
            return NULL;
        /* The handler that ran just now may have set it. */
        if (event_came(event_look(event_of(self)), seen))
            Py_RETURN_TRUE;
    } while (status != STATUS_TIMED_OUT);
    Py_RETURN_FALSE;
}

/* Event.wait(timeout=None) -> bool */
static PyObject *Event_wait(WaitingObject *self, PyObject *const *args, Py_ssize_t nargs,
                            PyObject *names)
{
    PyObject *timeout;
    deadline_t deadline;
    if (!handle_is_ready(&self->base) ||
        !parse_only_timeout(args, nargs, names, "wait", &timeout) ||
        !parse_timeout(timeout, &deadline))
        return NULL;
    uint32_t seen = event_look(event_of(self));
    if (seen & 1)
        Py_RETURN_TRUE;
    if (deadline == 0)
        Py_RETURN_FALSE;
    return wait(self, seen, deadline);
}

static PyMethodDef methods[] = {
    {"is_set", (PyCFunction)Event_is_set, METH_NOARGS,
     "is_set($self, /)\n--\n\nWhether the event is set."},
    {"set", (PyCFunction)Event_set, METH_NOARGS,
     "set($self, /)\n--\n\nSet it, and wake all that wait for it."},
    {"clear", (PyCFunction)Event_clear, METH_NOARGS, "clear($self, /)\n--\n\nUnset it."},
    {"wait", METHOD(Event_wait), METH_FASTCALL | METH_KEYWORDS,
     "wait($self, /, timeout=None)\n--\n\nTrue once it is set, False when *timeout* seconds have "
     "passed."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_new, waiting_new},
    {Py_tp_init, Event_init},
    {Py_tp_methods, methods},
    {Py_tp_doc, "Event(*, ctx=None)\n--\n\nSomething that happens, and that processes wait for."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.Event",
    .basicsize = sizeof(WaitingObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int add_event(PyObject *module)
{
    return add_handle_type(module, &spec, BLOCK_EVENT) ? 0 : -1;
}
