#include "owned_lock.h"

#include "../crash_point.h"
#include "lock.h"

static void fill(void *memory, uint64_t size, const void *with)
{
    (void)size;
    (void)with;
    lock_init(memory, LOCK_BREAKS);
}

/* One transaction; the first process gives the block its lock. */
static void give(struct arena *arena, word_t *word, const struct handle *lock)
{
    arena_lock(arena);
    if (word_get(word) == 0) {
        reference_stage_add(arena, block_of(arena_at(arena, lock->offset)));
        journal_stage(arena, word, lock->offset);
        CRASH_POINT("owned_lock.before_commit");
        journal_commit(arena);
        CRASH_POINT("owned_lock.committed");
    }
    arena_unlock(arena);
}

enum status owned_lock_at(struct arena *arena, word_t *word, offset_t *offset, uint64_t *serial)
{
    if (atomic_load_explicit(word, memory_order_acquire) == 0) {
        struct handle lock;
        enum status status = handle_create(arena, sizeof(struct lock), BLOCK_LOCK, fill, NULL,
                                           &lock);
        if (status != STATUS_OK)
            return status;
        give(arena, word, &lock);
        handle_release(arena, &lock);
    }
    *offset = atomic_load_explicit(word, memory_order_acquire);
    *serial = word_get(&block_of(arena_at(arena, *offset))->serial);
    return STATUS_OK;
}
