/* A reference to the lock of a condition, a value or an array: a Lock or RLock of ours, which is
 * taken by one call of the core, or any other object with acquire() and release(). */
#ifndef PROCESSION_PYTHON_LOCK_REFERENCE_H
#define PROCESSION_PYTHON_LOCK_REFERENCE_H

#include "../sync/thread.h"
#include "family.h"
#include "lock_site.h"

enum lock_kind { LOCK_KIND_NONE, LOCK_KIND_LOCK, LOCK_KIND_RLOCK, LOCK_KIND_OTHER };

struct lock_reference {
    PyObject *object; /* owned */
    struct lock *memory;
    enum lock_kind kind;
};

/* False: exception set; *object* has no acquire() or no release(). */
bool lock_reference_init(struct lock_reference *lock, PyObject *object);
void lock_reference_clear(struct lock_reference *lock);

/* False: exception set. */
bool lock_reference_acquire_slowly(struct lock_reference *lock);
bool lock_reference_release_slowly(struct lock_reference *lock);

/* Whether this process, or of an RLock this thread, holds the lock. True for a foreign lock, of
 * which that is not known. */
bool lock_reference_is_held(struct lock_reference *lock);
/* Whether its holder has died and it was not reset since. False for a foreign lock, of which
 * that is not known. */
bool lock_reference_is_broken(struct lock_reference *lock);
/* Releases it completely. Returns how often it was held; 0: exception set. */
uint32_t lock_reference_release_all(struct lock_reference *lock);
/* Takes it again, so often. False: exception set. */
bool lock_reference_acquire_again(struct lock_reference *lock, uint32_t depth);

static inline bool lock_reference_acquire(struct lock_reference *lock)
{
    if (lock->kind == LOCK_KIND_RLOCK && !lock_sites_wanted && family_is_joined() &&
        rlock_try(lock->memory, family.tag, thread_id(family.tag)))
        return true;
    return lock_reference_acquire_slowly(lock);
}

static inline bool lock_reference_release(struct lock_reference *lock)
{
    if (lock->kind == LOCK_KIND_RLOCK &&
        rlock_release(lock->memory, thread_id(family.tag)) == STATUS_OK)
        return true;
    return lock_reference_release_slowly(lock);
}

/* __enter__, __exit__, and a method of the lock by name, for objects that stand for their lock. */
PyObject *lock_reference_enter(struct lock_reference *lock);
PyObject *lock_reference_exit(struct lock_reference *lock, PyObject *const *args, Py_ssize_t nargs);
PyObject *lock_reference_method(struct lock_reference *lock, const char *name);

#endif
