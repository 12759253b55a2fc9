#include "companions.h"

#include "../crash_point.h"
#include "../sync/lock.h"

static void fill(void *memory, uint64_t size, const void *with)
{
    (void)size;
    (void)with;
    lock_init(memory, LOCK_BREAKS);
}

/* One transaction; whoever is first gives the channel its lock. */
static void give(struct arena *arena, word_t *place, const struct handle *lock)
{
    arena_lock(arena);
    if (word_get(place) == 0) {
        arena_stage_reference(arena, block_of(arena_at(arena, lock->payload)));
        arena_stage(arena, place, lock->payload);
        CRASH_POINT("companions.before_commit");
        arena_commit(arena);
        CRASH_POINT("companions.committed");
    }
    arena_unlock(arena);
}

enum status companion_at(struct arena *arena, word_t *place, offset_t *payload, uint64_t *serial)
{
    if (atomic_load_explicit(place, memory_order_acquire) == 0) {
        struct handle lock;
        enum status status = handle_create(arena, sizeof(struct lock), BLOCK_LOCK, fill, NULL,
                                           &lock);
        if (status != STATUS_OK)
            return status;
        give(arena, place, &lock);
        handle_drop(arena, &lock);
    }
    *payload = atomic_load_explicit(place, memory_order_acquire);
    *serial = word_get(&block_of(arena_at(arena, *payload))->serial);
    return STATUS_OK;
}

enum status channel_companion(struct arena *arena, struct channel *channel, enum channel_side side,
                              offset_t *payload, uint64_t *serial)
{
    return companion_at(arena, &channel->companions[side], payload, serial);
}
