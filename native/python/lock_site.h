/* The Python line by which a lock was taken last, for the message when its holder has died. */
#ifndef PROCESSION_PYTHON_LOCK_SITE_H
#define PROCESSION_PYTHON_LOCK_SITE_H

#include "../sync/lock.h"
#include "binding.h"

extern bool lock_sites_wanted; /* a site is recorded at each acquire; else only after a sleep */

/* Writes the Python line that is being executed into *lock*, which this process has taken. */
void lock_record_site(struct lock *lock);

/* Called after *lock* was taken. Of an RLock, only the outermost acquire counts. */
static inline void lock_record_site_if_wanted(struct lock *lock)
{
    if (lock_sites_wanted && atomic_load_explicit(&lock->depth, memory_order_relaxed) <= 1)
        lock_record_site(lock);
}

int add_lock_site(PyObject *module);

#endif
