/* Taking and releasing locks as Python calls do it: waiting without the GIL, with signals, errors
 * and reports. Lock, RLock and all that is built over a lock share it. */
#ifndef PROCESSION_PYTHON_LOCK_WAIT_H
#define PROCESSION_PYTHON_LOCK_WAIT_H

#include "../os/clock.h"
#include "../sync/lock.h"
#include "binding.h"

/* Waits without the GIL until the lock is taken, after lock_try() has failed; deadline 0: only
 * looks. STATUS_OK, STATUS_TIMED_OUT, or anything else: exception set. */
enum status lock_take_slowly(struct lock *lock, deadline_t deadline);

/* lock_release(), also in the place of a holder that has ended in order: as documented, any process
 * may release a lock. A holder that was killed is different: what the lock protects is in an
 * unknown state, and release() does not hide that. */
enum status lock_release_for_any(struct lock *lock);
/* This process ends in order, perhaps with *lock*. */
void lock_mark_clean_exit(struct lock *lock);

/* Raises BrokenLockError for *lock*; always NULL. */
PyObject *raise_broken_lock(struct lock *lock);
/* Raises for an RLock that this thread does not hold: BrokenLockError or AssertionError; always
 * NULL. */
PyObject *raise_not_owner(struct lock *lock);

#endif
