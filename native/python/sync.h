/* What the bindings of locks and of all that is built over a lock share.
 *
 * A *guard* is the lock of a condition or a value: one of ours, which is taken by one call of the core,
 * or any other object with acquire() and release(). */
#ifndef PROCESSION_PYTHON_SYNC_H
#define PROCESSION_PYTHON_SYNC_H

#include "../sync/lock.h"
#include "../sync/spin_wait.h"
#include "../sync/thread.h"
#include "bound_method.h"
#include "core.h"

extern PyTypeObject *RLock_Type;

static inline struct lock *lock_of(HandleObject *self)
{
    return self->memory;
}

/* Waits without the GIL until the lock is taken, after lock_try() has failed; deadline 0: only looks.
 * STATUS_OK, STATUS_TIMED_OUT, or anything else: exception set. */
enum status lock_take_slowly(struct lock *lock, deadline_t deadline);

/* lock_release(), which whoever comes later may also do for a holder that ended in order: as documented,
 * any process may release a lock. Who was killed has left a mess; that is not for release() to end. */
enum status lock_give_back(struct lock *lock);
/* This process ends in order, perhaps with *lock*. */
void lock_leave(struct lock *lock);

/* Raises BrokenLockError for *lock*; always NULL. */
PyObject *raise_broken(struct lock *lock);
/* Raises for an RLock that another thread has, or nobody: BrokenLockError or AssertionError. */
PyObject *raise_not_owner(struct lock *lock);
/* What __exit__ returns when the release has given *result*: the body's exception tells more than that the
 * lock was lost on the way to it, so it is not replaced. */
PyObject *unless_raising(PyObject *result, PyObject *const *args, Py_ssize_t nargs);

/* Notes the Python line that is being executed as the place where this process took *lock*. */
void lock_note_site(struct lock *lock);
extern bool lock_sites_wanted; /* each time; without, only after a sleep */

/* After *lock* was taken; of an RLock the first time counts, not those within. */
static inline void lock_note_if_wanted(struct lock *lock)
{
    if (lock_sites_wanted && atomic_load_explicit(&lock->depth, memory_order_relaxed) <= 1)
        lock_note_site(lock);
}

/* ---- guards */

enum guard_kind { GUARD_NONE, GUARD_LOCK, GUARD_RLOCK, GUARD_OTHER };

struct guard {
    PyObject *object; /* owned */
    struct lock *memory;
    enum guard_kind kind;
};

/* False: exception set; *object* has no acquire() or no release(). */
bool guard_init(struct guard *guard, PyObject *object);
void guard_clear(struct guard *guard);

/* False: exception set. */
bool guard_acquire_slowly(struct guard *guard);
bool guard_release_slowly(struct guard *guard);

/* Whether this process, or thread, has the lock; of a foreign lock that is not known: true. */
bool guard_is_held(struct guard *guard);
/* Whether its holder has died and it was not reset since; of a foreign lock that is not known: false. */
bool guard_is_broken(struct guard *guard);
/* Gives it back altogether; how often it was taken, or 0: exception set. */
uint32_t guard_release_all(struct guard *guard);
/* Undoes that. False: exception set. */
bool guard_take_again(struct guard *guard, uint32_t depth);

static inline bool guard_acquire(struct guard *guard)
{
    if (guard->kind == GUARD_RLOCK && !lock_sites_wanted && family.tag != 0 &&
        rlock_try(guard->memory, family.tag, thread_id(family.tag)))
        return true;
    return guard_acquire_slowly(guard);
}

static inline bool guard_release(struct guard *guard)
{
    if (guard->kind == GUARD_RLOCK &&
        rlock_release(guard->memory, thread_id(family.tag)) == STATUS_OK)
        return true;
    return guard_release_slowly(guard);
}

/* __enter__, __exit__, and a method of the lock by name, for objects that stand for their lock. */
PyObject *guard_enter(struct guard *guard);
PyObject *guard_exit(struct guard *guard, PyObject *const *args, Py_ssize_t nargs);
PyObject *guard_method(struct guard *guard, const char *name);

/* ---- objects that wait */

typedef struct {
    HandleObject base;
    struct spin_wait spin_wait; /* of this process, for this object */
} WaitingObject;

/* tp_new of types whose objects begin as a WaitingObject. */
PyObject *waiting_new(PyTypeObject *type, PyObject *args, PyObject *kwargs);

/* The only argument, timeout=None. False: exception set. */
bool parse_only_timeout(PyObject *const *args, Py_ssize_t nargs, PyObject *names,
                        const char *function, PyObject **timeout);

/* Gives *type* the two methods that `with` calls; 0 or -1. */
int add_context_manager(PyTypeObject *type, bound_function enter, bound_function exit);

/* ---- set-up of the types; 0 or -1 with an exception set */

int add_guard(PyObject *module);
int add_semaphore(PyObject *module);
int add_event(PyObject *module);
int add_condition(PyObject *module);
int add_barrier(PyObject *module);
int add_value(PyObject *module);

/* Refuses a second __init__, and makes the family. False: exception set. */
bool handle_begin_init(HandleObject *self, const char *type);
/* Creates the block behind *self*; 0, or -1 with an exception set. */
int handle_finish_init(HandleObject *self, uint64_t size, enum block_kind kind,
                       void (*fill)(void *payload, uint64_t size, const void *with),
                       const void *with);

#define FASTCALL(function) ((PyCFunction)(void (*)(void))(function))

#endif
