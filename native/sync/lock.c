#include "lock.h"

#include <string.h>

#include "../crash_point.h"
#include "../os/futex.h"
#include "../shm/table.h"

/* The holder of *tag* is dead. Whoever tells it first also writes down who it was. */
static void break_lock(struct arena *arena, struct lock *lock, uint32_t tag)
{
    uint32_t word = atomic_load(&lock->word);
    if ((word & LOCK_TAG) != tag || (word & LOCK_BROKEN))
        return;
    struct slot *slot = table_slot(arena, tag_index(tag));
    if (table_tag(arena, tag_index(tag)) == tag) { /* still its own slot: not reaped yet */
        atomic_store(&lock->dead_pid, word_get(&slot->pid));
        memcpy(lock->dead_name, slot->name, sizeof lock->dead_name);
    }
    CRASH_POINT("lock.before_break");
    if (atomic_compare_exchange_strong(&lock->word, &word, tag | LOCK_BROKEN))
        futex_wake(&lock->word, FUTEX_EVERYBODY);
}

static void mourn(struct arena *arena, struct block *block, uint32_t tag)
{
    break_lock(arena, block_payload(block), tag);
}

void lock_register(void)
{
    arena_set_manners(BLOCK_LOCK, (struct block_manners){.mourn = mourn});
}

/* The lock is held by *word*: says so with the contended bit, and sleeps. */
static enum status sleep_on(struct arena *arena, struct lock *lock, uint32_t word,
                            deadline_t deadline)
{
    uint32_t contended = word | LOCK_CONTENDED;
    if (word != contended && !atomic_compare_exchange_strong(&lock->word, &word, contended))
        return STATUS_OK; /* it has changed: look again */
    CRASH_POINT("lock.before_sleep");
    deadline_t slice = clock_next_slice(deadline);
    enum futex_result result = futex_wait(&lock->word, contended, slice);
    if (result == FUTEX_TIMED_OUT) {
        if (!table_is_alive(arena, word & LOCK_TAG))
            break_lock(arena, lock, word & LOCK_TAG);
        else if (slice == deadline)
            return STATUS_TIMED_OUT;
    }
    return result == FUTEX_WOKEN ? STATUS_OK : STATUS_INTERRUPTED;
}

enum status lock_wait(struct arena *arena, struct lock *lock, deadline_t deadline)
{
    /* Who may have slept cannot know whether others still do, so it takes the lock as contended. */
    uint32_t wanted = arena->tag | LOCK_CONTENDED;
    for (;;) {
        uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
        if (word & LOCK_BROKEN)
            return STATUS_OWNER_DIED;
        if (word == LOCK_FREE) {
            if (lock_try(lock, wanted))
                return STATUS_OK;
            continue;
        }
        enum status status = sleep_on(arena, lock, word, deadline);
        if (status != STATUS_OK)
            return lock_try(lock, wanted) ? STATUS_OK : status;
    }
}

enum status lock_release(struct lock *lock)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    do {
        if (word == LOCK_FREE)
            return STATUS_NOT_HELD;
        if (word & LOCK_BROKEN)
            return STATUS_OWNER_DIED;
    } while (!atomic_compare_exchange_weak_explicit(&lock->word, &word, LOCK_FREE,
                                                    memory_order_release, memory_order_relaxed));
    CRASH_POINT("lock.release.before_wake");
    if (word & LOCK_CONTENDED)
        futex_wake(&lock->word, 1);
    return STATUS_OK;
}

bool lock_reset(struct lock *lock)
{
    uint32_t word = atomic_load(&lock->word);
    while (word & LOCK_BROKEN)
        if (atomic_compare_exchange_weak(&lock->word, &word, LOCK_FREE)) {
            futex_wake(&lock->word, FUTEX_EVERYBODY);
            return true;
        }
    return false;
}
