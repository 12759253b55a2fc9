#include "lock_wait.h"

#include <string.h>

#include "exception.h"
#include "family.h"
#include "hooks.h"
#include "lock_site.h"

/* ---- when a holder died */

/* A str of at most *size* bytes of UTF-8. The last character may have been cut. */
static PyObject *text_of(const char *bytes, size_t size)
{
    return PyUnicode_DecodeUTF8(bytes, (Py_ssize_t)strnlen(bytes, size), "ignore");
}

static PyObject *call_with_death(enum hook hook, struct lock *lock)
{
    PyObject *function = hook_value(hook);
    if (function == NULL)
        return NULL;
    char site[LOCK_SITE_BYTES] = {0};
    /* A holder that was killed before it wrote its own site has left that of the holder before
     * it. */
    uint32_t dead = atomic_load(&lock->word) & LOCK_TAG;
    if (dead != 0 && atomic_load(&lock->site_known) == dead)
        memcpy(site, lock->site, LOCK_SITE_BYTES);
    return PyObject_CallFunction(function, "KNN", (unsigned long long)word_get(&lock->dead.pid),
                                 text_of(lock->dead.name, SLOT_NAME_BYTES),
                                 text_of(site, LOCK_SITE_BYTES));
}

PyObject *raise_broken_lock(struct lock *lock)
{
    PyObject *error = call_with_death(HOOK_BROKEN_LOCK, lock);
    if (error == NULL)
        return NULL;
    raise_object(error);
    return NULL;
}

/* ---- taking */

/* Logs that the lock was passed on by a process that died. */
static enum status report(struct lock *lock)
{
    PyObject *done = call_with_death(HOOK_LOCK_RECOVERED, lock);
    if (done == NULL) /* the lock is held even if the report fails */
        PyErr_WriteUnraisable(NULL);
    Py_XDECREF(done);
    return STATUS_OK;
}

/* A caller that only polls must learn of a holder's death, too. Looking for it costs 10 us, so
 * it is not done each time. */
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
        raise_broken_lock(lock);
    if (status != STATUS_OK)
        return status;
    if (waiter.recovered)
        return report(lock);
    if (waiter.since) /* its cost does not count beside a sleep */
        lock_record_site(lock);
    return STATUS_OK;
}

/* ---- giving back */

enum status lock_release_for_any(struct lock *lock)
{
    enum status status = lock_release(lock);
    uint32_t left = atomic_load(&lock->left), word = left | LOCK_BROKEN;
    if (status == STATUS_OWNER_DIED && left != 0 &&
        atomic_compare_exchange_strong(&lock->word, &word, LOCK_FREE))
        return STATUS_OK;
    return status;
}

/* Only a Lock: an RLock is released by its owner alone. */
void lock_mark_clean_exit(struct lock *lock)
{
    if (lock_is_of(lock, family.tag) && atomic_load(&lock->owner) == 0)
        atomic_store(&lock->left, family.tag);
}

PyObject *raise_not_owner(struct lock *lock)
{
    if (atomic_load(&lock->word) & LOCK_BROKEN)
        return raise_broken_lock(lock);
    PyErr_SetString(PyExc_AssertionError, "attempt to release recursive lock not owned by thread");
    return NULL;
}
