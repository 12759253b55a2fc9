#include "waker.h"

#include <errno.h>
#include <stdio.h>

#include "../crash_point.h"
#include "../os/wake_socket.h"
#include "process_table.h"

/* ---- names and keys */

static size_t name_of(const struct arena *arena, uint32_t index, uint64_t owner,
                      char name[DOORBELL_NAME])
{
    int size = snprintf(name, DOORBELL_NAME, "procession:");
    for (unsigned i = 0; i < sizeof arena->header->id; i++)
        size += snprintf(name + size, DOORBELL_NAME - (size_t)size, "%02x", arena->header->id[i]);
    size += snprintf(name + size, DOORBELL_NAME - (size_t)size, ":%u:%llx", index,
                     (unsigned long long)owner);
    return (size_t)size;
}

uint64_t bells_key(offset_t payload, unsigned side)
{
    return payload | side; /* payloads begin on cache lines */
}

uint64_t bells_bit(uint64_t key)
{
    /* Fibonacci hashing: D. Knuth, The Art of Computer Programming, 6.4. 63 is left to BELL_EXACT. */
    uint64_t bit = (key * UINT64_C(0x9e3779b97f4a7c15)) >> 58;
    return UINT64_C(1) << (bit == 63 ? 0 : bit);
}

static bool covers(uint64_t watches, uint64_t key)
{
    if (watches & BELL_EXACT)
        return watches == (BELL_EXACT | key);
    return (watches & bells_bit(key)) != 0;
}

/* ---- places */

static uint32_t tag_of(uint64_t owner)
{
    return (uint32_t)owner;
}

static bool take(struct bell *bell, uint64_t owner)
{
    uint64_t nobody = 0;
    return word_get(&bell->owner) == 0 &&
           atomic_compare_exchange_strong(&bell->owner, &nobody, owner);
}

/* Anybody may, once *owner* is dead. The watches stay: whoever takes the place clears them, and before
 * that nobody is rung for them. */
static void vacate(struct bell *bell, uint64_t owner)
{
    atomic_compare_exchange_strong(&bell->owner, &owner, 0);
}

/* First, so that the reaper finds the place whenever its taker is killed. */
static void mark_used(struct arena_header *header, uint32_t index)
{
    uint64_t used = word_get(&header->bells_used);
    while (used <= index && !atomic_compare_exchange_weak(&header->bells_used, &used, index + 1))
        ;
}

static bool find_place(struct arena *arena, struct bell_place *place)
{
    struct arena_header *header = arena->header;
    for (uint32_t i = 0; i < BELL_COUNT; i++) {
        mark_used(header, i);
        if (!take(&header->bells[i], place->owner))
            continue;
        CRASH_POINT("bells.place_taken");
        atomic_store(&header->bells[i].watches, 0);
        place->index = i;
        return true;
    }
    return false;
}

enum status bells_open(struct arena *arena, struct bell_place *place)
{
    static _Atomic uint32_t serial; /* so that no two bells of a process have the same name */
    place->owner = (uint64_t)(atomic_fetch_add(&serial, 1) + 1) << 32 | arena->tag;
    if (!find_place(arena, place)) {
        table_reap_dead(arena);
        if (!find_place(arena, place))
            return STATUS_FULL_TABLE;
    }
    char name[DOORBELL_NAME];
    size_t size = name_of(arena, place->index, place->owner, name);
    place->fd = doorbell_open(name, size);
    if (place->fd >= 0)
        return STATUS_OK;
    int error = errno;
    vacate(&arena->header->bells[place->index], place->owner);
    errno = error;
    return STATUS_SYSTEM;
}

void bells_close(struct arena *arena, struct bell_place *place)
{
    atomic_store(&arena->header->bells[place->index].watches, 0);
    doorbell_close(place->fd); /* before the place is free: its name goes with it */
    vacate(&arena->header->bells[place->index], place->owner);
}

void bells_forget(struct arena *arena, uint32_t tag)
{
    for (uint32_t i = 0; i < word_get(&arena->header->bells_used); i++) {
        struct bell *bell = &arena->header->bells[i];
        uint64_t owner = word_get(&bell->owner);
        if (owner != 0 && tag_of(owner) == tag)
            vacate(bell, owner);
    }
}

unsigned bells_count(struct arena *arena)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < word_get(&arena->header->bells_used); i++)
        count += word_get(&arena->header->bells[i].owner) != 0;
    return count;
}

/* ---- arming and ringing */

void bells_arm(struct arena *arena, const struct bell_place *place, uint64_t watches)
{
    atomic_store(&arena->header->bells[place->index].watches, watches);
    CRASH_POINT("bells.armed");
}

void bells_tell(watch_count *watchers)
{
    uint32_t seen = atomic_load(watchers);
    while (!atomic_compare_exchange_weak(watchers, &seen, (seen + 2) | 1))
        ;
}

static void ring(struct arena *arena, uint32_t index, uint64_t owner)
{
    char name[DOORBELL_NAME];
    size_t size = name_of(arena, index, owner, name);
    CRASH_POINT("bells.before_ring");
    if (!doorbell_ring(name, size) && !table_is_alive(arena, tag_of(owner)))
        vacate(&arena->header->bells[index], owner);
}

void bells_ring_own(struct arena *arena, const struct bell_place *place)
{
    atomic_store(&arena->header->bells[place->index].watches, 0);
    ring(arena, place->index, place->owner);
}

void bells_ring(struct arena *arena, watch_count *watchers, uint64_t key)
{
    uint32_t seen = atomic_load(watchers);
    if (!(seen & 1))
        return;
    struct arena_header *header = arena->header;
    bool anybody = false;
    for (uint32_t i = 0; i < word_get(&header->bells_used) && i < BELL_COUNT; i++) {
        uint64_t watches = atomic_load(&header->bells[i].watches);
        if (!covers(watches, key))
            continue;
        anybody = true;
        uint64_t owner = word_get(&header->bells[i].owner);
        if (owner && atomic_compare_exchange_strong(&header->bells[i].watches, &watches, 0))
            ring(arena, i, owner);
    }
    if (!anybody) /* unless somebody has armed since, who may not have been seen */
        atomic_compare_exchange_strong(watchers, &seen, seen & ~UINT32_C(1));
}
