#include "lock.h"

#include <string.h>

#include "../crash_point.h"
#include "../sync/thread.h"
#include "arguments.h"
#include "exception.h"
#include "family.h"
#include "lock_site.h"
#include "lock_wait.h"
#include "method_cache.h"

PyTypeObject *Lock_Type, *RLock_Type;

/* ---- making */

static bool parse_on_death(const char *word, enum lock_on_death *on_death)
{
    bool breaks = strcmp(word, "raise") == 0;
    *on_death = breaks ? LOCK_BREAKS : LOCK_PASSES_ON;
    if (breaks || strcmp(word, "release") == 0)
        return true;
    PyErr_Format(PyExc_ValueError, "on_owner_death must be 'raise' or 'release', not '%s'", word);
    return false;
}

static void fill(void *memory, uint64_t Py_UNUSED(size), const void *with)
{
    lock_init(memory, *(const enum lock_on_death *)with);
}

/* Lock(*, ctx=None, on_owner_death="raise") */
static int Lock_init(HandleObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {"ctx", "on_owner_death", NULL};
    PyObject *ctx;
    const char *word = "raise";
    enum lock_on_death on_death;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "|$Os", names, &ctx, &word) ||
        !parse_on_death(word, &on_death) || !handle_begin_init(self, "lock"))
        return -1;
    return handle_finish_init(self, handle_create(&family, sizeof(struct lock), BLOCK_LOCK, fill,
                                                  &on_death, &self->handle));
}

/* ---- Lock */

static PyObject *wait_result(enum status status)
{
    if (status != STATUS_OK && status != STATUS_TIMED_OUT)
        return NULL;
    return PyBool_FromLong(status == STATUS_OK);
}

/* False: exception set. */
static bool parse_acquire(HandleObject *self, PyObject *const *args, Py_ssize_t nargs,
                          PyObject *names, deadline_t *deadline)
{
    *deadline = DEADLINE_NEVER;
    if (!handle_is_ready(self))
        return false;
    return (nargs == 0 && names == NULL) ||
           parse_wait(args, nargs, names, "acquire", NULL, deadline);
}

/* Lock.acquire(block=True, timeout=None) -> bool */
static PyObject *Lock_acquire(HandleObject *self, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *names)
{
    deadline_t deadline;
    if (!parse_acquire(self, args, nargs, names, &deadline))
        return NULL;
    if (!lock_try(lock_of(self), family.tag))
        return wait_result(lock_take_slowly(lock_of(self), deadline));
    lock_record_site_if_wanted(lock_of(self));
    Py_RETURN_TRUE;
}

static PyObject *Lock_release(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(self))
        return NULL;
    enum status status = lock_release_for_any(lock_of(self));
    if (status == STATUS_OK)
        Py_RETURN_NONE;
    return status == STATUS_OWNER_DIED ? raise_broken_lock(lock_of(self)) : raise_status(status);
}

static PyObject *Lock_enter(PyObject *self, PyObject *const *Py_UNUSED(args),
                            Py_ssize_t Py_UNUSED(nargs))
{
    return Lock_acquire((HandleObject *)self, NULL, 0, NULL);
}

static PyObject *Lock_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return exit_result(Lock_release((HandleObject *)self, NULL), args, nargs);
}

/* ---- RLock */

/* RLock.acquire(block=True, timeout=None) -> bool */
static PyObject *RLock_acquire(HandleObject *self, PyObject *const *args, Py_ssize_t nargs,
                               PyObject *names)
{
    deadline_t deadline;
    if (!parse_acquire(self, args, nargs, names, &deadline))
        return NULL;
    uint64_t thread = thread_id(family.tag);
    if (!rlock_try(lock_of(self), family.tag, thread)) {
        enum status status = lock_take_slowly(lock_of(self), deadline);
        if (status == STATUS_OK)
            rlock_taken(lock_of(self), thread, 1);
        return wait_result(status);
    }
    CRASH_POINT("rlock.acquired"); /* for the first time or again */
    lock_record_site_if_wanted(lock_of(self));
    Py_RETURN_TRUE;
}

static PyObject *RLock_release(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(self))
        return NULL;
    if (rlock_release(lock_of(self), thread_id(family.tag)) != STATUS_OK)
        return raise_not_owner(lock_of(self));
    CRASH_POINT("rlock.released"); /* completely or once */
    Py_RETURN_NONE;
}

static PyObject *RLock_enter(PyObject *self, PyObject *const *Py_UNUSED(args),
                             Py_ssize_t Py_UNUSED(nargs))
{
    return RLock_acquire((HandleObject *)self, NULL, 0, NULL);
}

static PyObject *RLock_exit(PyObject *self, PyObject *const *args, Py_ssize_t nargs)
{
    return exit_result(RLock_release((HandleObject *)self, NULL), args, nargs);
}

/* How often this thread has acquired it and not released it yet. */
static PyObject *RLock_count(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(self))
        return NULL;
    bool mine = rlock_is_mine(lock_of(self), thread_id(family.tag));
    return PyLong_FromLong(mine ? (long)atomic_load(&lock_of(self)->depth) : 0);
}

/* ---- both */

static PyObject *locked(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    return handle_is_ready(self) ? PyBool_FromLong(lock_is_held(lock_of(self))) : NULL;
}

static PyObject *reset(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(self))
        return NULL;
    CRASH_POINT("lock.reset.before_commit");
    bool was_broken = lock_reset(lock_of(self));
    CRASH_POINT("lock.reset.committed");
    return PyBool_FromLong(was_broken);
}

/* The holder's pid; 0: the lock is free; negative: the holder has died. */
static PyObject *holder(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(self))
        return NULL;
    struct lock *lock = lock_of(self);
    uint32_t word = atomic_load(&lock->word);
    if (word & LOCK_BROKEN)
        return PyLong_FromLong(-(long)word_get(&lock->dead.pid));
    if ((word & LOCK_TAG) == 0)
        return PyLong_FromLong(0);
    return PyLong_FromLong((long)word_get(&arena_slot(&family, tag_index(word & LOCK_TAG))->pid));
}

#define ACQUIRE_DOC                                                                                \
    "acquire($self, /, block=True, timeout=None)\n--\n\n"                                          \
    "True when taken, False when *timeout* seconds have passed; BrokenLockError when its holder "  \
    "died."
#define COMMON                                                                                     \
    {"locked", (PyCFunction)locked, METH_NOARGS,                                                   \
     "locked($self, /)\n--\n\nWhether the lock is held."},                                         \
        {"reset", (PyCFunction)reset, METH_NOARGS,                                                 \
         "reset($self, /)\n--\n\nMake a lock usable again whose holder died; True when it was "    \
         "broken."},                                                                               \
        {"holder", (PyCFunction)holder, METH_NOARGS,                                               \
         "holder($self, /)\n--\n\nThe pid of the process that holds the lock; 0: it is free; "     \
         "negative: that process died."}

static PyMethodDef lock_methods[] = {
    {"acquire", METHOD(Lock_acquire), METH_FASTCALL | METH_KEYWORDS, ACQUIRE_DOC},
    {"release", (PyCFunction)Lock_release, METH_NOARGS,
     "release($self, /)\n--\n\nRelease the lock, whichever process holds it; ValueError if it is "
     "not held."},
    COMMON,
    {NULL, NULL, 0, NULL},
};

static PyMethodDef rlock_methods[] = {
    {"acquire", METHOD(RLock_acquire), METH_FASTCALL | METH_KEYWORDS, ACQUIRE_DOC},
    {"release", (PyCFunction)RLock_release, METH_NOARGS,
     "release($self, /)\n--\n\nUndo one acquire; AssertionError when this thread does not hold "
     "the lock."},
    {"_count", (PyCFunction)RLock_count, METH_NOARGS,
     "_count($self, /)\n--\n\nHow often this thread holds it."},
    COMMON,
    {NULL, NULL, 0, NULL},
};

static PyType_Slot lock_slots[] = {
    {Py_tp_init, Lock_init},
    {Py_tp_methods, lock_methods},
    {Py_tp_doc, "Lock(*, ctx=None, on_owner_death='raise')\n--\n\nA lock between processes that "
                "knows its holder."},
    {0, NULL},
};

static PyType_Slot rlock_slots[] = {
    {Py_tp_init, Lock_init},
    {Py_tp_methods, rlock_methods},
    {Py_tp_doc, "RLock(*, ctx=None, on_owner_death='raise')\n--\n\nA lock between processes that "
                "its owner, a thread, may take again."},
    {0, NULL},
};

static PyType_Spec lock_spec = {
    .name = "procession._core.Lock",
    .basicsize = sizeof(HandleObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = lock_slots,
};

static PyType_Spec rlock_spec = {
    .name = "procession._core.RLock",
    .basicsize = sizeof(HandleObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = rlock_slots,
};

int add_lock(PyObject *module)
{
    Lock_Type = add_handle_type(module, &lock_spec, BLOCK_LOCK);
    RLock_Type = add_handle_type(module, &rlock_spec, BLOCK_LOCK);
    if (Lock_Type == NULL || RLock_Type == NULL ||
        add_context_manager(Lock_Type, Lock_enter, Lock_exit) != 0)
        return -1;
    return add_context_manager(RLock_Type, RLock_enter, RLock_exit);
}
