/* What an operation of the core came to. One word for all layers; python/exception.c turns it into
 * exceptions. */
#ifndef PROCESSION_STATUS_H
#define PROCESSION_STATUS_H

enum status {
    STATUS_OK = 0,
    STATUS_AGAIN,       /* it would have to wait, and was told not to */
    STATUS_TIMED_OUT,   /* the deadline has passed */
    STATUS_INTERRUPTED, /* a signal came, or a slice of the wait ended: look around, then go on */
    STATUS_NO_MEMORY,   /* the arena cannot grow */
    STATUS_FULL_TABLE,  /* no free slot for one more process */
    STATUS_STALE,       /* the block named no longer exists */
    STATUS_CORRUPT,     /* shared memory holds what no correct program writes */
    STATUS_OWNER_DIED,  /* the lock's holder died while it held it */
    STATUS_SHUT_DOWN,   /* the queue was shut down */
    STATUS_NOT_HELD,    /* release of a lock that nobody holds */
    STATUS_MISSING,     /* there is no such key, or no such position */
    STATUS_MISFIT,      /* as many values were wanted as there are places */
    STATUS_SYSTEM,      /* a system call failed: errno says why */
};

#endif
