/* The waker table: which processes sleep on descriptors, and which blocks they watch.
 *
 * Idea      A process that waits for queues together with sockets cannot sleep on a futex. It takes
 *           an entry of the waker table, opens a wake socket that is named after the entry, and
 *           writes down what it watches. A process that changes a block knows whether the block is
 *           watched (the block itself has a watch_count), and then wakes all that watch it.
 * Names     Every process of the machine can see the names of the sockets that there are, and bind
 *           names that are free. So a name is a hash of the entry and its owner under a key that
 *           the family alone knows, the arena's id: whoever sees one name can neither guess the
 *           next one nor find the key.
 * Watches   One word: a bit for each key watched, by a hash of it (so a wake-up may be in vain), or
 *           one key exactly. A wake-up clears the word: the next one needs a new arming.
 * Invariant Sleeper: arm, mark the block as watched, then look at the state. Waker: state, then the
 *           block's watch count, then the table. So one of the two sees the other.
 * Crash     An entry is taken by one store of `owner` and holds nothing else. It is freed by the
 *           reaper of the owner's slot, or by a sender that finds no socket. A wake-up lost with a
 *           killed sender costs the sleeper a slice of its sleep, as everywhere.
 */
#ifndef PROCESSION_SHM_WAKER_H
#define PROCESSION_SHM_WAKER_H

#include "../os/wake_socket.h"
#include "arena.h"

/* An entry of this process. */
struct waker {
    uint32_t index;
    uint64_t owner; /* the entry's owner while it is ours */
    int fd;
};

/* Of a block: even when no process watches it. Each arming makes it odd and larger, so that a
 * process that clears it after a search in vain cannot clear a later arming. */
typedef _Atomic uint32_t watch_count;

static inline bool is_watched(watch_count *watchers)
{
    return atomic_load_explicit(watchers, memory_order_relaxed) & 1;
}

#define WATCH_EXACT (UINT64_C(1) << 63)

/* Has the process table tell the waker table of each process that is reaped. Once, at set-up. */
void waker_register(void);

/* The key by which the table knows a side (0 or 1) of the block at *offset*. */
uint64_t waker_key(offset_t offset, unsigned side);
/* The bit of a key; the bits of several keys can be combined. For one key alone: WATCH_EXACT |
 * key. */
uint64_t waker_bit(uint64_t key);

/* Writes the name of the socket of an entry; returns its length. */
size_t waker_name(const struct arena *arena, uint32_t index, uint64_t owner,
                  char name[WAKE_SOCKET_NAME_BYTES]);

/* Takes an entry and opens its socket. STATUS_FULL_TABLE: there is no free one. STATUS_SYSTEM. */
enum status waker_open(struct arena *arena, struct waker *waker);
void waker_close(struct arena *arena, struct waker *waker);

/* From now on the next change of what *watches* covers sends one wake-up. */
void waker_arm(struct arena *arena, const struct waker *waker, uint64_t watches);
/* To be called after arming, for each block watched, before its state is looked at. */
void waker_mark_watched(watch_count *watchers);
/* Wakes this process itself. */
void waker_wake_own(struct arena *arena, const struct waker *waker);

/* After the state of a block was changed: wakes all processes that watch *key*. */
void waker_wake(struct arena *arena, watch_count *watchers, uint64_t key);

/* How many entries are taken. */
unsigned waker_count(struct arena *arena);

#endif
