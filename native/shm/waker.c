#include "waker.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../crash_point.h"
#include "../os/siphash.h"
#include "process_table.h"

/* A name that is taken already was not guessed: see waker.h. The next one will be free. */
#define NAME_ATTEMPTS 8

/* ---- names and keys */

size_t waker_name(const struct arena *arena, uint32_t index, uint64_t owner,
                  char name[WAKE_SOCKET_NAME_BYTES])
{
    uint64_t seed[2], which[3] = {index, owner, 0}, half[2];
    memcpy(seed, arena->header->id, sizeof seed);
    for (unsigned i = 0; i < 2; i++) {
        which[2] = i;
        half[i] = siphash(seed, which, sizeof which);
    }
    return (size_t)snprintf(name, WAKE_SOCKET_NAME_BYTES, "procession:%016llx%016llx",
                            (unsigned long long)half[0], (unsigned long long)half[1]);
}

uint64_t waker_key(offset_t offset, unsigned side)
{
    return offset | side; /* contents begin on cache lines */
}

uint64_t waker_bit(uint64_t key)
{
    /* Fibonacci hashing: D. Knuth, The Art of Computer Programming, 6.4. Bit 63 is WATCH_EXACT. */
    uint64_t bit = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 58;
    return UINT64_C(1) << (bit == 63 ? 0 : bit);
}

static bool covers(uint64_t watches, uint64_t key)
{
    if (watches & WATCH_EXACT)
        return watches == (WATCH_EXACT | key);
    return (watches & waker_bit(key)) != 0;
}

/* ---- entries */

static uint32_t tag_of(uint64_t owner)
{
    return (uint32_t)owner;
}

static bool claim(struct waker_entry *entry, uint64_t owner)
{
    uint64_t none = 0;
    return word_get(&entry->owner) == 0 &&
           atomic_compare_exchange_strong(&entry->owner, &none, owner);
}

/* Any process may do this once *owner* is dead. The watches stay: the next owner clears them, and
 * until then no process is woken for them. */
static void release(struct waker_entry *entry, uint64_t owner)
{
    atomic_compare_exchange_strong(&entry->owner, &owner, 0);
}

/* First, so that the reaper finds the entry whenever the process that takes it is killed. */
static void mark_used(struct arena_header *header, uint32_t index)
{
    uint64_t used = word_get(&header->wakers_used);
    while (used <= index && !atomic_compare_exchange_weak(&header->wakers_used, &used, index + 1))
        ;
}

static bool find_entry(struct arena *arena, struct waker *waker)
{
    struct arena_header *header = arena->header;
    for (uint32_t i = 0; i < WAKER_COUNT; i++) {
        mark_used(header, i);
        if (!claim(&header->wakers[i], waker->owner))
            continue;
        CRASH_POINT("waker.entry_taken");
        atomic_store(&header->wakers[i].watches, 0);
        waker->index = i;
        return true;
    }
    return false;
}

/* One attempt, under a name that this process has not used before. */
static enum status open_once(struct arena *arena, struct waker *waker)
{
    static _Atomic uint32_t
        serial; /* so that no two wake sockets of a process have the same name */
    waker->owner = (uint64_t)(atomic_fetch_add(&serial, 1) + 1) << 32 | arena->tag;
    if (!find_entry(arena, waker)) {
        table_reap_dead(arena);
        if (!find_entry(arena, waker))
            return STATUS_FULL_TABLE;
    }
    char name[WAKE_SOCKET_NAME_BYTES];
    size_t size = waker_name(arena, waker->index, waker->owner, name);
    waker->fd = wake_socket_open(name, size);
    if (waker->fd >= 0)
        return STATUS_OK;
    int error = errno;
    release(&arena->header->wakers[waker->index], waker->owner);
    errno = error;
    return STATUS_SYSTEM;
}

enum status waker_open(struct arena *arena, struct waker *waker)
{
    enum status status;
    unsigned attempts = NAME_ATTEMPTS;
    do
        status = open_once(arena, waker);
    while (status == STATUS_SYSTEM && errno == EADDRINUSE && --attempts > 0);
    return status;
}

void waker_close(struct arena *arena, struct waker *waker)
{
    atomic_store(&arena->header->wakers[waker->index].watches, 0);
    wake_socket_close(waker->fd); /* before the entry is free: the socket's name goes with it */
    release(&arena->header->wakers[waker->index], waker->owner);
}

/* Frees the entries of the process of *tag*, which has died. */
static void on_owner_death(struct arena *arena, uint32_t tag)
{
    for (uint32_t i = 0; i < word_get(&arena->header->wakers_used); i++) {
        struct waker_entry *entry = &arena->header->wakers[i];
        uint64_t owner = word_get(&entry->owner);
        if (owner != 0 && tag_of(owner) == tag)
            release(entry, owner);
    }
}

void waker_register(void)
{
    table_set_reap_hook(on_owner_death);
}

unsigned waker_count(struct arena *arena)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < word_get(&arena->header->wakers_used); i++)
        count += word_get(&arena->header->wakers[i].owner) != 0;
    return count;
}

/* ---- arming and waking */

void waker_arm(struct arena *arena, const struct waker *waker, uint64_t watches)
{
    atomic_store(&arena->header->wakers[waker->index].watches, watches);
    CRASH_POINT("waker.armed");
}

void waker_mark_watched(watch_count *watchers)
{
    uint32_t seen = atomic_load(watchers);
    while (!atomic_compare_exchange_weak(watchers, &seen, (seen + 2) | 1))
        ;
}

static void send(struct arena *arena, uint32_t index, uint64_t owner)
{
    char name[WAKE_SOCKET_NAME_BYTES];
    size_t size = waker_name(arena, index, owner, name);
    CRASH_POINT("waker.before_send");
    if (!wake_socket_send(name, size) && !table_is_alive(arena, tag_of(owner)))
        release(&arena->header->wakers[index], owner);
}

void waker_wake_own(struct arena *arena, const struct waker *waker)
{
    atomic_store(&arena->header->wakers[waker->index].watches, 0);
    send(arena, waker->index, waker->owner);
}

void waker_wake(struct arena *arena, watch_count *watchers, uint64_t key)
{
    uint32_t seen = atomic_load(watchers);
    if (!(seen & 1))
        return;
    struct arena_header *header = arena->header;
    bool found = false;
    for (uint32_t i = 0; i < word_get(&header->wakers_used) && i < WAKER_COUNT; i++) {
        uint64_t watches = atomic_load(&header->wakers[i].watches);
        if (!covers(watches, key))
            continue;
        found = true;
        uint64_t owner = word_get(&header->wakers[i].owner);
        if (owner && atomic_compare_exchange_strong(&header->wakers[i].watches, &watches, 0))
            send(arena, i, owner);
    }
    if (!found) /* unless a process that was not seen has armed since */
        atomic_compare_exchange_strong(watchers, &seen, seen & ~UINT32_C(1));
}
