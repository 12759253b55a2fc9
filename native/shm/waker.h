/* The board of bells: which processes sleep on descriptors, and for the sake of which blocks.
 *
 * Idea      Who waits for queues together with sockets cannot sleep on a futex. It takes a place on
 *           the board of the arena, opens a doorbell that is named after the place, and says what
 *           it watches. Who changes something of which it knows that somebody watches (the block
 *           itself counts its watchers: see watch_*) rings all that watch it.
 * Watches   One word: a bit for each key watched, by a hash of it (a bell may ring in vain), or one
 *           key exactly. Ringing takes the word away: the next ring needs a new arming.
 * Invariant Sleeper: arm, tell the block, then look at the state. Waker: state, then the block's
 *           watchers, then the board. So one of the two sees the other.
 * Crash     A place is taken by one store of `owner` and holds nothing else; the reaper of the
 *           owner's slot, or a ring that finds nobody, frees it. A ring lost with a killed waker
 *           costs the sleeper a slice of its sleep, as everywhere.
 */
#ifndef PROCESSION_SHM_WAKER_H
#define PROCESSION_SHM_WAKER_H

#include "arena.h"

/* This process's place. */
struct waker {
    uint32_t index;
    uint64_t owner; /* what stands there while it is ours */
    int fd;
};

/* Of a block: even when nobody watches. Each arming makes it odd and a number that it was not, so that who
 * clears it after a search in vain cannot clear a later arming. */
typedef _Atomic uint32_t watch_count;

static inline bool is_watched(watch_count *watchers)
{
    return atomic_load_explicit(watchers, memory_order_relaxed) & 1;
}

#define WATCH_EXACT (UINT64_C(1) << 63)

/* Has the process table tell the waker table of each process that is reaped. Once, at set-up. */
void waker_register(void);

/* What a side (0 or 1) of the block at *payload* is to the board. */
uint64_t waker_key(offset_t payload, unsigned side);
/* The watch that several keys can share: or them. For one key alone: WATCH_EXACT | key. */
uint64_t waker_bit(uint64_t key);

/* Takes a place and opens its doorbell. STATUS_FULL_TABLE: all are taken. STATUS_SYSTEM. */
enum status waker_open(struct arena *arena, struct waker *waker);
void waker_close(struct arena *arena, struct waker *waker);

/* From now on one ring comes for what *watches* covers. */
void waker_arm(struct arena *arena, const struct waker *waker, uint64_t watches);
/* After arming, for each block watched; then its state is looked at. */
void waker_mark_watched(watch_count *watchers);
/* Rings it oneself. */
void waker_wake_own(struct arena *arena, const struct waker *waker);

/* After the state of a block was changed: rings all who watch *key*. */
void waker_wake(struct arena *arena, watch_count *watchers, uint64_t key);

/* How many places are taken. */
unsigned waker_count(struct arena *arena);

#endif
