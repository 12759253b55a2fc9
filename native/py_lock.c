/* Lock: the binding of sync/lock.h. */
#include <string.h>

#include "py_core.h"
#include "sync/lock.h"

PyTypeObject *Lock_Type;

static PyObject *broken_lock_error;

static struct lock *lock_of(HandleObject *self)
{
    return self->memory;
}

static void fill(void *memory, uint64_t Py_UNUSED(size), const void *Py_UNUSED(with))
{
    *(struct lock *)memory = (struct lock){.word = LOCK_FREE};
}

static int Lock_init(HandleObject *self, PyObject *args, PyObject *kwargs)
{
    static char *names[] = {NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "", names) || !family_ensure())
        return -1;
    if (self->memory) {
        PyErr_SetString(PyExc_ValueError, "a Lock is initialised once");
        return -1;
    }
    enum status status = handle_create(&family, sizeof(struct lock), BLOCK_LOCK, fill, NULL,
                                       &self->handle);
    if (status != STATUS_OK) {
        raise_status(status);
        return -1;
    }
    self->memory = arena_at(&family, self->handle.payload);
    return 0;
}

static PyObject *raise_broken(struct lock *lock)
{
    if (!import_cached(&broken_lock_error, "procession._errors", "BrokenLockError"))
        return NULL;
    char name[SLOT_NAME_BYTES + 1] = {0};
    memcpy(name, lock->dead_name, SLOT_NAME_BYTES);
    return PyErr_Format(broken_lock_error,
                        "process %s (pid %llu) died while it held this lock, so what the lock "
                        "protects may be half changed; make that good, then call reset()",
                        *name ? name : "unnamed", (unsigned long long)word_get(&lock->dead_pid));
}

/* The lock is taken: waits without the GIL. */
static PyObject *wait(struct lock *lock, deadline_t deadline)
{
    enum status status;
    do {
        Py_BEGIN_ALLOW_THREADS
        status = lock_wait(&family, lock, deadline);
        Py_END_ALLOW_THREADS
        if (status == STATUS_OK)
            Py_RETURN_TRUE;
        if (status == STATUS_TIMED_OUT)
            Py_RETURN_FALSE;
        if (status == STATUS_OWNER_DIED)
            return raise_broken(lock);
    } while (go_on(status));
    return NULL;
}

/* Lock.acquire(block=True, timeout=None) -> bool */
static PyObject *Lock_acquire(HandleObject *self, PyObject *const *args, Py_ssize_t nargs,
                              PyObject *names)
{
    if (!handle_is_ready(self))
        return NULL;
    deadline_t deadline = DEADLINE_NEVER;
    if ((nargs || names) && !parse_wait(args, nargs, names, "acquire", NULL, &deadline))
        return NULL;
    struct lock *lock = lock_of(self);
    if (lock_try(lock, family.tag))
        Py_RETURN_TRUE;
    if (atomic_load(&lock->word) & LOCK_BROKEN)
        return raise_broken(lock);
    if (deadline == 0)
        Py_RETURN_FALSE;
    return wait(lock, deadline);
}

static PyObject *Lock_release(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(self))
        return NULL;
    enum status status = lock_release(lock_of(self));
    if (status == STATUS_OK)
        Py_RETURN_NONE;
    return status == STATUS_OWNER_DIED ? raise_broken(lock_of(self)) : raise_status(status);
}

static PyObject *Lock_enter(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    return Lock_acquire(self, NULL, 0, NULL);
}

static PyObject *Lock_exit(HandleObject *self, PyObject *const *Py_UNUSED(args),
                           Py_ssize_t Py_UNUSED(nargs))
{
    return Lock_release(self, NULL);
}

static PyObject *Lock_locked(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    return handle_is_ready(self) ? PyBool_FromLong(lock_is_held(lock_of(self))) : NULL;
}

static PyObject *Lock_reset(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    return handle_is_ready(self) ? PyBool_FromLong(lock_reset(lock_of(self))) : NULL;
}

/* The holder's pid: 0 nobody, negative a dead one. */
static PyObject *Lock_holder(HandleObject *self, PyObject *Py_UNUSED(unused))
{
    if (!handle_is_ready(self))
        return NULL;
    struct lock *lock = lock_of(self);
    uint32_t word = atomic_load(&lock->word);
    if (word == LOCK_FREE)
        return PyLong_FromLong(0);
    if (word & LOCK_BROKEN)
        return PyLong_FromLong(-(long)word_get(&lock->dead_pid));
    return PyLong_FromLong((long)word_get(&table_slot(&family, tag_index(word & LOCK_TAG))->pid));
}

static PyMethodDef methods[] = {
    {"acquire", (PyCFunction)(void (*)(void))Lock_acquire, METH_FASTCALL | METH_KEYWORDS,
     "acquire(block=True, timeout=None): True when taken, False when *timeout* seconds have "
     "passed."},
    {"release", (PyCFunction)Lock_release, METH_NOARGS, "Free the lock, whoever holds it."},
    {"__enter__", (PyCFunction)Lock_enter, METH_NOARGS, NULL},
    {"__exit__", (PyCFunction)(void (*)(void))Lock_exit, METH_FASTCALL, NULL},
    {"locked", (PyCFunction)Lock_locked, METH_NOARGS, "Whether anybody holds the lock."},
    {"reset", (PyCFunction)Lock_reset, METH_NOARGS,
     "Make a lock usable again whose holder died; True when it was broken."},
    {"holder", (PyCFunction)Lock_holder, METH_NOARGS,
     "The pid of the process that holds the lock; 0: nobody; negative: it died."},
    {NULL, NULL, 0, NULL},
};

static PyType_Slot slots[] = {
    {Py_tp_init, Lock_init},
    {Py_tp_methods, methods},
    {Py_tp_doc, "A lock between processes that knows its holder."},
    {0, NULL},
};

static PyType_Spec spec = {
    .name = "procession._core.Lock",
    .basicsize = sizeof(HandleObject),
    .flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE,
    .slots = slots,
};

int add_lock(PyObject *module)
{
    Lock_Type = add_type(module, &spec, Handle_Type);
    return Lock_Type ? 0 : -1;
}
