#include "lock_reference.h"

#include "exception.h"
#include "lock.h"
#include "lock_wait.h"
#include "method_cache.h"

bool lock_reference_init(struct lock_reference *lock, PyObject *object)
{
    bool is_lock = PyObject_TypeCheck(object, Lock_Type);
    bool is_rlock = PyObject_TypeCheck(object, RLock_Type);
    if (is_lock || is_rlock) {
        if (!handle_is_ready((HandleObject *)object))
            return false;
        lock->memory = lock_of((HandleObject *)object);
    } else if (!PyObject_HasAttrString(object, "acquire") ||
               !PyObject_HasAttrString(object, "release")) {
        PyErr_Format(PyExc_AttributeError, "%R has no method 'acquire'", object);
        return false;
    }
    lock->kind = is_lock ? LOCK_KIND_LOCK : is_rlock ? LOCK_KIND_RLOCK : LOCK_KIND_OTHER;
    lock->object = Py_NewRef(object);
    return true;
}

void lock_reference_clear(struct lock_reference *lock)
{
    lock->kind = LOCK_KIND_NONE;
    Py_CLEAR(lock->object);
}

static bool call(PyObject *object, const char *method)
{
    PyObject *function = PyObject_GetAttrString(object, method);
    PyObject *result = function ? PyObject_CallNoArgs(function) : NULL;
    Py_XDECREF(function);
    Py_XDECREF(result);
    return result != NULL;
}

static bool try_at_once(struct lock_reference *lock)
{
    bool taken = lock->kind == LOCK_KIND_LOCK
                     ? lock_try(lock->memory, family.tag)
                     : rlock_try(lock->memory, family.tag, thread_id(family.tag));
    if (taken)
        lock_record_site_if_wanted(lock->memory);
    return taken;
}

bool lock_reference_acquire_slowly(struct lock_reference *lock)
{
    if (lock->kind == LOCK_KIND_NONE) {
        PyErr_SetString(PyExc_ValueError, "the object was not initialised");
        return false;
    }
    if (lock->kind == LOCK_KIND_OTHER)
        return call(lock->object, "acquire");
    if (!handle_is_ready((HandleObject *)lock->object))
        return false;
    if (try_at_once(lock))
        return true;
    if (lock_take_slowly(lock->memory, DEADLINE_NEVER) != STATUS_OK)
        return false;
    if (lock->kind == LOCK_KIND_RLOCK)
        rlock_taken(lock->memory, thread_id(family.tag), 1);
    return true;
}

bool lock_reference_release_slowly(struct lock_reference *lock)
{
    if (lock->kind == LOCK_KIND_NONE || lock->kind == LOCK_KIND_OTHER)
        return lock->object && call(lock->object, "release");
    if (!handle_is_ready((HandleObject *)lock->object))
        return false;
    if (lock->kind == LOCK_KIND_RLOCK) {
        raise_not_owner(lock->memory);
        return false;
    }
    enum status status = lock_release_for_any(lock->memory);
    if (status == STATUS_OWNER_DIED)
        raise_broken_lock(lock->memory);
    else if (status != STATUS_OK)
        raise_status(status);
    return status == STATUS_OK;
}

bool lock_reference_is_held(struct lock_reference *lock)
{
    if (lock->kind == LOCK_KIND_RLOCK)
        return rlock_is_mine(lock->memory, thread_id(family.tag));
    return lock->kind == LOCK_KIND_OTHER || lock_is_of(lock->memory, family.tag);
}

bool lock_reference_is_broken(struct lock_reference *lock)
{
    if (lock->kind == LOCK_KIND_OTHER)
        return false;
    lock_look_after(&family, lock->memory);
    return atomic_load(&lock->memory->word) & LOCK_BROKEN;
}

uint32_t lock_reference_release_all(struct lock_reference *lock)
{
    if (lock->kind == LOCK_KIND_RLOCK)
        return rlock_release_all(lock->memory);
    return lock_reference_release_slowly(lock) ? 1 : 0;
}

bool lock_reference_acquire_again(struct lock_reference *lock, uint32_t depth)
{
    if (!lock_reference_acquire(lock))
        return false;
    if (lock->kind == LOCK_KIND_RLOCK)
        rlock_taken(lock->memory, thread_id(family.tag), depth);
    return true;
}

PyObject *lock_reference_enter(struct lock_reference *lock)
{
    if (lock->kind != LOCK_KIND_OTHER)
        return lock_reference_acquire(lock) ? Py_NewRef(Py_True) : NULL;
    return PyObject_CallMethod(lock->object, "__enter__", NULL);
}

PyObject *lock_reference_exit(struct lock_reference *lock, PyObject *const *args, Py_ssize_t nargs)
{
    if (lock->kind != LOCK_KIND_OTHER || nargs != 3)
        return exit_result(lock_reference_release(lock) ? Py_NewRef(Py_None) : NULL, args, nargs);
    return PyObject_CallMethod(lock->object, "__exit__", "OOO", args[0], args[1], args[2]);
}

PyObject *lock_reference_method(struct lock_reference *lock, const char *name)
{
    if (lock->kind != LOCK_KIND_NONE)
        return PyObject_GetAttrString(lock->object, name);
    PyErr_SetString(PyExc_ValueError, "the object was not initialised");
    return NULL;
}
