/* The condition: who waits, and whom a notification has reached.
 *
 * Idea      Each waiter takes a seat. notify() marks the seats of those who have waited longest; a
 *           waiter leaves when its seat is marked. Seats are the waiters', not the lock's: the
 *           lock around it all is the user's, and is none of this file's business.
 *
 *           state of a seat   means                                  next
 *           FREE              nobody                                 enter -> WAITING
 *           WAITING           its owner waits                        owner -> ASLEEP;
 *                                                                    notify -> NOTIFIED
 *           ASLEEP            and must be woken by a system call     as WAITING
 *           NOTIFIED          reached, but not back with the lock    leave -> FREE
 *
 * Crash     Seats change under a robust mutex, each by one store of its state, so an abandoned mutex
 *           needs no repair. A process that is killed as NOTIFIED has not used what reached it:
 *           the reaper of its slot, or another waiter at the end of a slice of its sleep, passes
 *           the notification on to the one who has waited longest. That is two stores, the heir's
 *           first: killed between them, it is passed on once more. So no notification is
 *           swallowed; at worst one too many is given, which every loop around wait() stands.
 * Room      The first seats are in the condition itself, further ones in annexes (annex.h), made when
 *           they are first needed. Order: the arena's mutex before the condition's, since a reaper
 *           who strikes a dead waiter has the former.
 * Crowd     Should there be no memory for a seat, its waiter stands: any notification wakes all who
 *           do. The call comes before it is forgotten that somebody stands: a notifier killed in
 *           between makes the next one call in vain, not nobody.
 */
#ifndef PROCESSION_SYNC_CONDITION_H
#define PROCESSION_SYNC_CONDITION_H

#include "../os/mutex.h"
#include "../shm/overflow.h"
#include "event_count.h"
#include "spin_wait.h"

/* 16, 32, 64, ... seats: 65,520 in all, 32 for each process that a family may have. */
enum { CONDITION_FIRST = 16, CONDITION_PARTS = 12 };

enum waiter_state { WAITER_FREE, WAITER_WAITING, WAITER_ASLEEP, WAITER_NOTIFIED };

struct waiter {
    _Atomic uint32_t state;
    _Atomic uint32_t tag;    /* whose it is, unless FREE */
    _Atomic uint64_t ticket; /* smaller ones have waited longer */
};

struct condition {
    struct mutex mutex;
    _Atomic uint32_t overflow_waiters; /* 1: somebody stands, or did */
    _Atomic uint32_t overflow_signal;  /* changes with each notification while somebody stands */
    _Atomic uint32_t top; /* seats from here on are FREE; raised before a seat is taken */
    _Atomic uint64_t next_ticket;
    _Atomic deadline_t looked_after; /* when somebody last did */
    word_t overflow_blocks[CONDITION_PARTS - 1];
    struct waiter first[CONDITION_FIRST];
};

/* One wait of one thread. */
struct condition_wait {
    uint32_t entry;  /* CONDITION_NO_ENTRY: none */
    uint32_t signal; /* of the crowd, when it joined */
};
#define CONDITION_NO_ENTRY UINT32_MAX

void condition_register(void);
void condition_init(struct condition *condition);

/* From here on a notification counts for this thread. The caller still has the user's lock. */
void condition_enter(struct arena *arena, struct condition *condition, struct condition_wait *wait);

/* Sleeps until notified. STATUS_OK: notified. STATUS_TIMED_OUT. STATUS_INTERRUPTED: go on after a
 * look. The caller does not have the user's lock. */
enum status condition_sleep(struct arena *arena, struct condition *condition,
                            struct condition_wait *wait, struct spin_wait *spin_wait,
                            deadline_t deadline);

/* Ends the wait, with the user's lock taken again; whether it was notified. *forgo*: the caller will not
 * act on a notification, so it goes to another. */
bool condition_leave(struct arena *arena, struct condition *condition, struct condition_wait *wait,
                     bool pass_on_notification);

/* Reaches those *count* who have waited longest, of all who wait when it is called. */
void condition_notify(struct arena *arena, struct condition *condition, uint64_t count);

/* Passes on what reached processes that are dead, unless somebody has just looked. */
void condition_look_after(struct arena *arena, struct condition *condition);

/* How many seats are taken and not notified. */
uint32_t condition_waiting(struct arena *arena, struct condition *condition);

#endif
