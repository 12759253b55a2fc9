/* The result of an operation of the core: one enumeration for all layers.
 *
 * The core raises nothing. The bindings turn a status into an exception: as python/exception.c does
 * where no caller knows better, or by themselves where a status has a meaning of its own. */
#ifndef PROCESSION_STATUS_H
#define PROCESSION_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_AGAIN,           /* it cannot succeed now without waiting */
    STATUS_TIMED_OUT,       /* the deadline has passed */
    STATUS_INTERRUPTED,     /* a signal came, or a slice of the wait ended: look, then go on */
    STATUS_NO_MEMORY,       /* the arena cannot grow */
    STATUS_FULL_TABLE,      /* no free slot for one more process, or no free entry for a waker */
    STATUS_STALE,           /* the block named no longer exists */
    STATUS_CORRUPT,         /* shared memory holds what no correct program writes */
    STATUS_OWNER_DIED,      /* the lock's holder died while it held it */
    STATUS_SHUT_DOWN,       /* the queue was shut down */
    STATUS_NOT_HELD,        /* release of a lock that is not held */
    STATUS_MISSING,         /* there is no such key, or no such position */
    STATUS_MISFIT,          /* the number of values is not that of the entries they replace */
    STATUS_OTHER_NAMESPACE, /* this process is in another PID namespace than its family */
    STATUS_SYSTEM,          /* a system call failed: errno says why */
};

#endif
