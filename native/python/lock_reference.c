/* Taking locks, slowly; and guards: locks as seen by what is built over them. */
#include <string.h>

#include "sync.h"

/* ---- when a holder died */

static PyObject *describe_death, *report_inheritance;

/* Of at most *size* bytes. What was cut short may have lost a part of a character. */
static PyObject *text_of(const char *bytes, size_t size)
{
    return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)strnlen(bytes, size), "ignore");
}

static PyObject *call_with_death(PyObject *function, struct lock *lock)
{
    char site[LOCK_SITE_BYTES] = {0};
    /* The holder that died may have been killed before it wrote its own over its predecessor's. */
    uint32_t dead = atomic_load(&lock->word) & LOCK_TAG;
    if (dead != 0 && atomic_load(&lock->site_known) == dead)
        memcpy(site, lock->site, LOCK_SITE_BYTES);
    return PyObject_CallFunction(function, "KNN", (unsigned long long)word_get(&lock->dead.pid),
                                 text_of(lock->dead.name, SLOT_NAME_BYTES),
                                 text_of(site, LOCK_SITE_BYTES));
}

PyObject *raise_broken(struct lock *lock)
{
    if (!import_cached(&describe_death, "procession.synchronize", "_broken_lock_error"))
        return NULL;
    PyObject *error = call_with_death(describe_death, lock);
    if (error == NULL)
        return NULL;
    PyErr_SetObject((PyObject *)Py_TYPE(error), error);
    Py_DECREF(error);
    return NULL;
}

/* ---- where a lock was taken */

bool lock_sites_wanted;

/* Notes the Python line that is being executed. Best effort: it is for a message. */
void lock_note_site(struct lock *lock)
{
    PyFrameObject *frame = PyThreadState_GetFrame(PyThreadState_Get());
    if (frame == NULL)
        return;
    PyCodeObject *code = PyFrame_GetCode(frame);
    PyObject *file = PyObject_GetAttrString((PyObject *)code, "co_filename");
    PyObject *function = PyObject_GetAttrString((PyObject *)code, "co_name");
    PyObject *text = file && function ? PyUnicode_FromFormat("%U:%d in %U", file,
                                                             PyFrame_GetLineNumber(frame), function)
                                      : NULL;
    Py_ssize_t size;
    const char *utf8 = text ? PyUnicode_AsUTF8AndSize(text, &size) : NULL;
    if (utf8) {
        Py_ssize_t skip = size > LOCK_SITE_BYTES ? size - LOCK_SITE_BYTES : 0; /* the end tells */
        memset(lock->site, 0, LOCK_SITE_BYTES);
        memcpy(lock->site, utf8 + skip, (size_t)(size - skip));
        atomic_store(&lock->site_known, family.tag);
    }
    PyErr_Clear();
    Py_XDECREF(text);
    Py_XDECREF(function);
    Py_XDECREF(file);
    Py_DECREF((PyObject *)code);
    Py_DECREF((PyObject *)frame);
}

static PyObject *note_sites(PyObject *Py_UNUSED(module), PyObject *argument)
{
    int wanted = PyObject_IsTrue(argument);
    if (wanted < 0)
        return NULL;
    lock_sites_wanted = wanted;
    Py_RETURN_NONE;
}

/* ---- taking */

/* The lock was passed on by a process that died: the log shall say so. */
static enum status report(struct lock *lock)
{
    PyObject *done = NULL;
    if (import_cached(&report_inheritance, "procession.synchronize", "_report_inheritance"))
        done = call_with_death(report_inheritance, lock);
    if (done == NULL) /* the lock is taken, whatever became of the report */
        PyErr_WriteUnraisable(report_inheritance);
    Py_XDECREF(done);
    return STATUS_OK;
}

/* A caller that only ever polls must learn of a holder's death, too; a look costs 10 us, so not each
 * time. */
static enum status poll(struct lock *lock, struct lock_waiter *waiter)
{
    static _Atomic deadline_t next;
    enum status status = lock_poll(&family, lock, waiter);
    deadline_t now = clock_now();
    if (status != STATUS_AGAIN || now < atomic_load(&next))
        return status;
    atomic_store(&next, now + SLICE_NS);
    lock_look_after(&family, lock);
    return lock_poll(&family, lock, waiter);
}

static enum status wait(struct lock *lock, struct lock_waiter *waiter, deadline_t deadline)
{
    enum status status = poll(lock, waiter);
    if (status != STATUS_AGAIN || deadline == 0)
        return status;
    do {
        Py_BEGIN_ALLOW_THREADS
        status = lock_wait(&family, lock, waiter, deadline);
        Py_END_ALLOW_THREADS
    } while (status == STATUS_INTERRUPTED && PyErr_CheckSignals() == 0);
    return status;
}

enum status lock_take_slowly(struct lock *lock, deadline_t deadline)
{
    struct lock_waiter waiter = {0};
    enum status status = wait(lock, &waiter, deadline);
    if (status == STATUS_AGAIN)
        return STATUS_TIMED_OUT;
    if (status == STATUS_OWNER_DIED)
        raise_broken(lock);
    if (status != STATUS_OK)
        return status;
    if (waiter.recovered)
        return report(lock);
    if (waiter.since) /* next to a sleep it costs nothing */
        lock_note_site(lock);
    return STATUS_OK;
}

/* ---- giving back */

enum status lock_give_back(struct lock *lock)
{
    enum status status = lock_release(lock);
    uint32_t left = atomic_load(&lock->left), word = left | LOCK_BROKEN;
    if (status == STATUS_OWNER_DIED && left != 0 &&
        atomic_compare_exchange_strong(&lock->word, &word, LOCK_FREE))
        return STATUS_OK;
    return status;
}

/* An RLock is released by its owner only. */
void lock_leave(struct lock *lock)
{
    if (lock_is_of(lock, family.tag) && atomic_load(&lock->owner) == 0)
        atomic_store(&lock->left, family.tag);
}

/* ---- guards */

bool guard_init(struct guard *guard, PyObject *object)
{
    bool is_lock = PyObject_TypeCheck(object, Lock_Type);
    bool is_rlock = PyObject_TypeCheck(object, RLock_Type);
    if (is_lock || is_rlock) {
        if (!handle_is_ready((HandleObject *)object))
            return false;
        guard->memory = lock_of((HandleObject *)object);
    } else if (!PyObject_HasAttrString(object, "acquire") ||
               !PyObject_HasAttrString(object, "release")) {
        PyErr_Format(PyExc_AttributeError, "%R has no method 'acquire'", object);
        return false;
    }
    guard->kind = is_lock ? GUARD_LOCK : is_rlock ? GUARD_RLOCK : GUARD_OTHER;
    guard->object = Py_NewRef(object);
    return true;
}

void guard_clear(struct guard *guard)
{
    guard->kind = GUARD_NONE;
    Py_CLEAR(guard->object);
}

static bool call(PyObject *object, const char *method)
{
    PyObject *function = PyObject_GetAttrString(object, method);
    PyObject *result = function ? PyObject_CallNoArgs(function) : NULL;
    Py_XDECREF(function);
    Py_XDECREF(result);
    return result != NULL;
}

static bool try_at_once(struct guard *guard)
{
    bool taken = guard->kind == GUARD_LOCK
                     ? lock_try(guard->memory, family.tag)
                     : rlock_try(guard->memory, family.tag, thread_id(family.tag));
    if (taken)
        lock_note_if_wanted(guard->memory);
    return taken;
}

bool guard_acquire_slowly(struct guard *guard)
{
    if (guard->kind == GUARD_NONE) {
        PyErr_SetString(PyExc_ValueError, "the object was not initialised");
        return false;
    }
    if (guard->kind == GUARD_OTHER)
        return call(guard->object, "acquire");
    if (!handle_is_ready((HandleObject *)guard->object))
        return false;
    if (try_at_once(guard))
        return true;
    if (lock_take_slowly(guard->memory, DEADLINE_NEVER) != STATUS_OK)
        return false;
    if (guard->kind == GUARD_RLOCK)
        rlock_taken(guard->memory, thread_id(family.tag), 1);
    return true;
}

bool guard_release_slowly(struct guard *guard)
{
    if (guard->kind == GUARD_NONE || guard->kind == GUARD_OTHER)
        return guard->object && call(guard->object, "release");
    if (!handle_is_ready((HandleObject *)guard->object))
        return false;
    if (guard->kind == GUARD_RLOCK) {
        raise_not_owner(guard->memory);
        return false;
    }
    enum status status = lock_give_back(guard->memory);
    if (status == STATUS_OWNER_DIED)
        raise_broken(guard->memory);
    else if (status != STATUS_OK)
        raise_status(status);
    return status == STATUS_OK;
}

bool guard_is_held(struct guard *guard)
{
    if (guard->kind == GUARD_RLOCK)
        return rlock_is_mine(guard->memory, thread_id(family.tag));
    return guard->kind == GUARD_OTHER || lock_is_of(guard->memory, family.tag);
}

bool guard_is_broken(struct guard *guard)
{
    if (guard->kind == GUARD_OTHER)
        return false;
    lock_look_after(&family, guard->memory);
    return atomic_load(&guard->memory->word) & LOCK_BROKEN;
}

uint32_t guard_release_all(struct guard *guard)
{
    if (guard->kind == GUARD_RLOCK)
        return rlock_release_all(guard->memory);
    return guard_release_slowly(guard) ? 1 : 0;
}

bool guard_take_again(struct guard *guard, uint32_t depth)
{
    if (!guard_acquire(guard))
        return false;
    if (guard->kind == GUARD_RLOCK)
        rlock_taken(guard->memory, thread_id(family.tag), depth);
    return true;
}

PyObject *guard_enter(struct guard *guard)
{
    if (guard->kind != GUARD_OTHER)
        return guard_acquire(guard) ? Py_NewRef(Py_True) : NULL;
    return PyObject_CallMethod(guard->object, "__enter__", NULL);
}

PyObject *guard_exit(struct guard *guard, PyObject *const *args, Py_ssize_t nargs)
{
    if (guard->kind != GUARD_OTHER || nargs != 3)
        return unless_raising(guard_release(guard) ? Py_NewRef(Py_None) : NULL, args, nargs);
    return PyObject_CallMethod(guard->object, "__exit__", "OOO", args[0], args[1], args[2]);
}

PyObject *guard_method(struct guard *guard, const char *name)
{
    if (guard->kind != GUARD_NONE)
        return PyObject_GetAttrString(guard->object, name);
    PyErr_SetString(PyExc_ValueError, "the object was not initialised");
    return NULL;
}

PyObject *raise_not_owner(struct lock *lock)
{
    if (atomic_load(&lock->word) & LOCK_BROKEN)
        return raise_broken(lock);
    PyErr_SetString(PyExc_AssertionError, "attempt to release recursive lock not owned by thread");
    return NULL;
}

PyObject *unless_raising(PyObject *result, PyObject *const *args, Py_ssize_t nargs)
{
    if (result || nargs == 0 || args[0] == Py_None)
        return result;
    PyErr_Clear();
    Py_RETURN_NONE;
}

/* ---- objects that wait */

PyObject *waiting_new(PyTypeObject *type, PyObject *Py_UNUSED(args), PyObject *Py_UNUSED(kwargs))
{
    WaitingObject *self = (WaitingObject *)handle_new(type);
    if (self)
        spin_wait_init(&self->spin_wait);
    return (PyObject *)self;
}

bool parse_only_timeout(PyObject *const *args, Py_ssize_t nargs, PyObject *names,
                        const char *function, PyObject **timeout)
{
    Py_ssize_t named = names ? PyTuple_Size(names) : 0;
    *timeout = nargs + named ? args[0] : NULL;
    bool right = nargs + named <= 1 &&
                 (named == 0 ||
                  PyUnicode_CompareWithASCIIString(PyTuple_GetItem(names, 0), "timeout") == 0);
    if (!right)
        PyErr_Format(PyExc_TypeError, "%s() takes one argument, timeout", function);
    return right;
}

int add_context_manager(PyTypeObject *type, bound_function enter, bound_function exit)
{
    if (add_bound_method(type, "__enter__", enter, "Acquire.") != 0)
        return -1;
    return add_bound_method(type, "__exit__", exit, "Release.");
}

static PyMethodDef functions[] = {
    {"note_sites", note_sites, METH_O,
     "note_sites(flag): whether each acquire writes down its source line, for BrokenLockError."},
    {NULL, NULL, 0, NULL},
};

int add_guard(PyObject *module)
{
    return PyModule_AddFunctions(module, functions);
}
