/* The condition: which threads wait, and which of them a notification has reached.
 *
 * Idea      Each waiter takes an entry. notify() marks the entries of those that have waited
 *           longest; a waiter leaves when its entry is marked. The lock around all of it is the
 *           user's, and this file does not use it.
 *
 *           state of an entry   means                                  next
 *           FREE                it belongs to no waiter                enter -> WAITING
 *           WAITING             its waiter waits                       waiter -> ASLEEP;
 *                                                                      notify -> NOTIFIED
 *           ASLEEP              and must be woken by a system call     as WAITING
 *           NOTIFIED            reached, but not back with the lock    leave -> FREE
 *
 * Crash     Entries change under a robust mutex, each by one store of its state, so an abandoned
 *           mutex needs no repair. A process that is killed as NOTIFIED has not used the
 *           notification: the reaper of its slot, or another waiter at the end of a slice of its
 *           sleep, passes it on to the one that has waited longest. That is two stores, the next
 *           waiter's first: after a kill between them, it is passed on once more. So no
 *           notification is lost; at worst one too many is given, which every loop around wait()
 *           tolerates.
 * Room      The first entries are in the condition itself, further ones in overflow blocks
 *           (overflow.h), made when they are first needed. Order: the arena's mutex before the
 *           condition's, since a reaper that frees the entries of a dead waiter has the former.
 * Overflow  If there is no memory for an entry, the waiter waits without one: any notification
 *           wakes all of these overflow waiters. They are called before it is forgotten that there
 *           are some: a notifier killed in between makes the next one call in vain, and loses no
 *           waiter.
 */
#ifndef PROCESSION_SYNC_CONDITION_H
#define PROCESSION_SYNC_CONDITION_H

#include "../os/mutex.h"
#include "../shm/overflow.h"
#include "event_count.h"
#include "spin_wait.h"

/* 16, 32, 64, ... entries: 65,520 in all, 32 for each process that a family may have. */
enum { CONDITION_FIRST = 16, CONDITION_PARTS = 12 };

enum waiter_state { WAITER_FREE, WAITER_WAITING, WAITER_ASLEEP, WAITER_NOTIFIED };

struct waiter {
    _Atomic uint32_t state;
    _Atomic uint32_t tag;    /* of the process that waits, unless FREE */
    _Atomic uint64_t ticket; /* smaller ones have waited longer */
};

struct condition {
    struct mutex mutex;
    _Atomic uint32_t overflow_waiters; /* 1: a waiter has no entry, or had none */
    _Atomic uint32_t overflow_signal;  /* changes with each notification while that is 1 */
    _Atomic uint32_t top; /* entries from here on are FREE; raised before one is taken */
    _Atomic uint64_t next_ticket;
    _Atomic deadline_t looked_after; /* when a waiter last called condition_look_after() */
    word_t overflow_blocks[CONDITION_PARTS - 1];
    struct waiter first[CONDITION_FIRST];
};

/* One wait of one thread. */
struct condition_wait {
    uint32_t entry;  /* CONDITION_NO_ENTRY: none */
    uint32_t signal; /* without an entry: overflow_signal when the wait began */
};
#define CONDITION_NO_ENTRY UINT32_MAX

void condition_register(void);
void condition_init(struct condition *condition);

/* From here on a notification can reach this thread. The caller still has the user's lock. */
void condition_enter(struct arena *arena, struct condition *condition, struct condition_wait *wait);

/* Sleeps until notified. STATUS_OK: notified. STATUS_TIMED_OUT. STATUS_INTERRUPTED: look, then go
 * on. The caller does not have the user's lock. */
enum status condition_sleep(struct arena *arena, struct condition *condition,
                            struct condition_wait *wait, struct spin_wait *spin_wait,
                            deadline_t deadline);

/* Ends the wait, with the user's lock taken again; returns whether it was notified.
 * *pass_on_notification*: the caller will not act on a notification, so another waiter gets it. */
bool condition_leave(struct arena *arena, struct condition *condition, struct condition_wait *wait,
                     bool pass_on_notification);

/* Notifies the *count* threads that have waited longest, of all that wait when it is called. */
void condition_notify(struct arena *arena, struct condition *condition, uint64_t count);

/* Passes on the notifications of dead processes, unless another waiter has just looked. */
void condition_look_after(struct arena *arena, struct condition *condition);

/* How many entries are taken and not notified. */
uint32_t condition_waiting(struct arena *arena, struct condition *condition);

#endif
