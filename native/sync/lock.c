#include "lock.h"

#include <string.h>

#include "../os/futex.h"
#include "../shm/process_table.h"
#include "spin_wait.h"

/* Short enough not to be noticed, long enough that a batch of fast acquisitions outweighs the futex
 * round trip that ends it (some 40 us). */
#define STARVING_NS (500 * NS_PER_US)
/* How long a newcomer leaves an offered lock to waiters that have slept. */
#define OFFER_NS (1 * NS_PER_MS)
/* Most critical sections are shorter. */
#define SPIN_NS (10 * NS_PER_US)

void lock_init(struct lock *lock, enum lock_on_death on_death)
{
    memset(lock, 0, sizeof *lock);
    lock->on_death = on_death;
}

/* ---- a holder's death */

/* The holder of *tag* is dead. The first process to say so also writes down which one it was. */
static void break_lock(struct arena *arena, struct lock *lock, uint32_t tag)
{
    uint32_t word = atomic_load(&lock->word);
    while ((word & LOCK_TAG) == tag && !(word & LOCK_BROKEN)) {
        dead_owner_write(&lock->dead, arena, tag);
        CRASH_POINT("lock.before_break");
        if (!atomic_compare_exchange_strong(&lock->word, &word, tag | LOCK_BROKEN))
            continue;
        futex_wake(&lock->word, FUTEX_EVERYBODY);
        return;
    }
}

static void on_owner_death(struct arena *arena, struct block *block, uint32_t tag)
{
    break_lock(arena, block_contents(block), tag);
}

void lock_register(void)
{
    block_set_ops(BLOCK_LOCK, (struct block_ops){.on_owner_death = on_owner_death});
}

void lock_look_after(struct arena *arena, struct lock *lock)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    uint32_t tag = word & LOCK_TAG;
    if (tag != 0 && !(word & LOCK_BROKEN) && !table_is_alive(arena, tag))
        break_lock(arena, lock, tag);
}

/* ---- taking */

/* Takes the lock from *word*, which is not held. A waiter that may have slept cannot know whether
 * others still sleep, so it takes the lock as contended. */
static bool take(struct arena *arena, struct lock *lock, struct lock_waiter *waiter, uint32_t word)
{
    uint32_t tag = arena->tag | (waiter->since || word != LOCK_FREE ? LOCK_CONTENDED : 0);
    if (!lock_swap(lock, word, tag))
        return false;
    CRASH_POINT("lock.taken_after_wait");
    waiter->recovered = (word & LOCK_BROKEN) != 0;
    atomic_store_explicit(&lock->starving, 0, memory_order_relaxed);
    atomic_store_explicit(&lock->site_known, 0, memory_order_relaxed);
    return true;
}

/* STATUS_OK, STATUS_AGAIN or STATUS_OWNER_DIED. *may_barge*: also takes an offer to others. */
static enum status look(struct arena *arena, struct lock *lock, struct lock_waiter *waiter,
                        bool may_barge)
{
    for (;;) {
        uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
        if ((word & LOCK_BROKEN) && lock->on_death == LOCK_BREAKS)
            return STATUS_OWNER_DIED;
        bool is_open = word == LOCK_FREE || (word & LOCK_BROKEN) ||
                       (word == LOCK_OFFERED && (may_barge || waiter->since));
        if (!is_open)
            return STATUS_AGAIN;
        if (take(arena, lock, waiter, word))
            return STATUS_OK;
    }
}

enum status lock_poll(struct arena *arena, struct lock *lock, struct lock_waiter *waiter)
{
    return look(arena, lock, waiter, true);
}

static enum status spin(struct arena *arena, struct lock *lock, struct lock_waiter *waiter)
{
    deadline_t end = clock_now() + SPIN_NS;
    enum status status;
    do {
        for (unsigned turn = 0; turn < 16; turn++)
            spin_wait_relax();
        status = look(arena, lock, waiter, false);
    } while (status == STATUS_AGAIN && clock_now() < end);
    return status;
}

/* Sets the contended bit, which says that a waiter sleeps, and sleeps. */
static enum status sleep_on(struct arena *arena, struct lock *lock, struct lock_waiter *waiter,
                            deadline_t deadline)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed);
    if (word == LOCK_FREE || (word & LOCK_BROKEN))
        return STATUS_AGAIN;
    deadline_t now = clock_now(), slice = clock_next_slice(deadline);
    if (word == LOCK_OFFERED && now + OFFER_NS < slice)
        slice = now + OFFER_NS;
    if (waiter->since == 0)
        waiter->since = now;
    else if (now - waiter->since > STARVING_NS)
        atomic_store_explicit(&lock->starving, 1, memory_order_relaxed);
    uint32_t contended = word | LOCK_CONTENDED;
    if (word != contended && !atomic_compare_exchange_strong(&lock->word, &word, contended))
        return STATUS_AGAIN;
    CRASH_POINT("lock.before_sleep");
    enum futex_result result = futex_wait(&lock->word, contended, slice);
    CRASH_POINT("lock.woken");
    if (result == FUTEX_WOKEN)
        return STATUS_AGAIN;
    if (result == FUTEX_TIMED_OUT)
        lock_look_after(arena, lock);
    return result == FUTEX_TIMED_OUT && slice == deadline ? STATUS_TIMED_OUT : STATUS_INTERRUPTED;
}

enum status lock_wait(struct arena *arena, struct lock *lock, struct lock_waiter *waiter,
                      deadline_t deadline)
{
    enum status status = STATUS_AGAIN, last;
    if (waiter->since == 0 && spin_wait_allowed())
        status = spin(arena, lock, waiter);
    while (status == STATUS_AGAIN) {
        status = look(arena, lock, waiter, false);
        if (status == STATUS_AGAIN)
            status = sleep_on(arena, lock, waiter, deadline);
    }
    if (status != STATUS_TIMED_OUT && status != STATUS_INTERRUPTED)
        return status;
    last = look(arena, lock, waiter, true); /* a wake-up for this waiter must not be lost */
    return last == STATUS_AGAIN ? status : last;
}

/* ---- releasing */

/* No waiter was asleep, so there is no reason to hold the lock back. But a newcomer may have gone
 * to sleep on the offer since. It is enough to wake one, which then takes the lock as contended. */
static void cancel_offer(struct lock *lock)
{
    if (!lock_swap(lock, LOCK_OFFERED, LOCK_FREE))
        return; /* it was taken as contended: its holder will wake the next */
    CRASH_POINT("lock.release.offer_cancelled");
    futex_wake(&lock->word, 1);
}

enum status lock_release(struct lock *lock)
{
    uint32_t word = atomic_load_explicit(&lock->word, memory_order_relaxed), next;
    do {
        if (word == LOCK_FREE || word == LOCK_OFFERED)
            return STATUS_NOT_HELD;
        if (word & LOCK_BROKEN)
            return STATUS_OWNER_DIED;
        bool offer = (word & LOCK_CONTENDED) &&
                     atomic_load_explicit(&lock->starving, memory_order_relaxed);
        next = offer ? LOCK_OFFERED : LOCK_FREE;
    } while (!atomic_compare_exchange_weak_explicit(&lock->word, &word, next, memory_order_release,
                                                    memory_order_relaxed));
    CRASH_POINT("lock.release.before_wake");
    if ((word & LOCK_CONTENDED) && futex_wake(&lock->word, 1) == 0 && next == LOCK_OFFERED)
        cancel_offer(lock);
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

/* ---- RLock */

enum status rlock_release(struct lock *lock, uint64_t thread)
{
    if (!rlock_is_mine(lock, thread))
        return STATUS_NOT_HELD;
    uint32_t depth = atomic_load_explicit(&lock->depth, memory_order_relaxed);
    if (depth > 1)
        atomic_store_explicit(&lock->depth, depth - 1, memory_order_relaxed);
    else
        rlock_release_all(lock);
    return STATUS_OK;
}

uint32_t rlock_release_all(struct lock *lock)
{
    uint32_t depth = atomic_load_explicit(&lock->depth, memory_order_relaxed);
    atomic_store_explicit(&lock->depth, 0, memory_order_relaxed);
    /* Before the word: once the word is free, the fields belong to the next owner. */
    atomic_store_explicit(&lock->owner, 0, memory_order_relaxed);
    lock_release(lock);
    return depth;
}
