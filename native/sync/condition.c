#include "condition.h"

#include <string.h>

#include "../crash_point.h"
#include "../shm/process_table.h"

/* How many entries a notifier marks before it releases the mutex for a moment. */
enum { ROUND = 32 };

#define FOR_EVER UINT64_MAX /* later than any ticket */

void condition_init(struct condition *condition)
{
    memset(condition, 0, sizeof *condition);
    mutex_init(&condition->mutex);
}

static void lock(struct condition *condition)
{
    if (mutex_lock(&condition->mutex) == MUTEX_ABANDONED)
        mutex_repaired(&condition->mutex); /* each change is one store: nothing is half done */
}

static void unlock(struct condition *condition)
{
    mutex_unlock(&condition->mutex);
}

/* ---- entries */

static bool is_entry(struct condition *condition, uint32_t number)
{
    uint32_t part = overflow_part(CONDITION_FIRST, number);
    return part == 0 ||
           (part < CONDITION_PARTS && word_get(&condition->overflow_blocks[part - 1]) != 0);
}

static struct waiter *waiter_at(struct arena *arena, struct condition *condition, uint32_t number)
{
    uint32_t part = overflow_part(CONDITION_FIRST, number);
    if (part == 0)
        return &condition->first[number];
    struct waiter *waiters = overflow_at(arena, &condition->overflow_blocks[part - 1]);
    return waiters + (number - overflow_start(CONDITION_FIRST, part));
}

static uint32_t state_of(const struct waiter *waiter)
{
    return atomic_load_explicit(&waiter->state, memory_order_acquire);
}

static bool waits(const struct waiter *waiter)
{
    uint32_t state = state_of(waiter);
    return state == WAITER_WAITING || state == WAITER_ASLEEP;
}

/* Acquire: a look without the mutex finds the overflow blocks of all entries below. */
static uint32_t top_of(struct condition *condition)
{
    return atomic_load_explicit(&condition->top, memory_order_acquire);
}

/* One below the top, or else the one at the top, for which there may be no room yet. */
static uint32_t free_entry(struct arena *arena, struct condition *condition)
{
    uint32_t top = top_of(condition);
    for (uint32_t i = 0; i < top; i++)
        if (state_of(waiter_at(arena, condition, i)) == WAITER_FREE)
            return i;
    return top;
}

/* ---- the waiters that have waited longest; the mutex is held */

struct pick {
    struct waiter *waiter;
    uint64_t ticket;
};

/* Inserts *pick* into *picks*, which are in order; of more than *most* the last falls out. */
static void insert(struct pick *picks, uint32_t *count, uint32_t most, struct pick pick)
{
    if (*count < most)
        ++*count;
    else if (picks[most - 1].ticket < pick.ticket)
        return;
    uint32_t at = *count - 1;
    for (; at > 0 && picks[at - 1].ticket > pick.ticket; at--)
        picks[at] = picks[at - 1];
    picks[at] = pick;
}

/* Finds those *most* (> 0) that have waited longest, with a ticket below *end*; returns how
 * many. */
static uint32_t longest_waiting(struct arena *arena, struct condition *condition, uint64_t end,
                                struct pick *picks, uint32_t most)
{
    uint32_t count = 0, top = top_of(condition);
    for (uint32_t i = 0; i < top; i++) {
        struct waiter *waiter = waiter_at(arena, condition, i);
        uint64_t ticket = atomic_load_explicit(&waiter->ticket, memory_order_relaxed);
        if (waits(waiter) && ticket < end)
            insert(picks, &count, most, (struct pick){waiter, ticket});
    }
    return count;
}

/* ---- notifying; the mutex is held */

static void notify_waiter(struct waiter *waiter)
{
    uint32_t before = atomic_exchange(&waiter->state, WAITER_NOTIFIED);
    CRASH_POINT("condition.notify.before_wake");
    if (before == WAITER_ASLEEP)
        futex_wake(&waiter->state, 1);
}

static void pass_on(struct arena *arena, struct condition *condition, struct waiter *waiter)
{
    struct pick next;
    if (longest_waiting(arena, condition, FOR_EVER, &next, 1))
        notify_waiter(next.waiter);
    CRASH_POINT("condition.pass_on.between");
    atomic_store(&waiter->state, WAITER_FREE);
}

static void wake_overflow_waiters(struct condition *condition)
{
    if (!atomic_load(&condition->overflow_waiters))
        return;
    atomic_fetch_add(&condition->overflow_signal, 1);
    CRASH_POINT("condition.overflow_waiters.signalled");
    atomic_store(&condition->overflow_waiters, 0); /* a later overflow waiter sets it again */
    futex_wake(&condition->overflow_signal, FUTEX_EVERYBODY);
}

void condition_notify(struct arena *arena, struct condition *condition, uint64_t count)
{
    struct pick picks[ROUND];
    uint64_t end = atomic_load(&condition->next_ticket);
    uint32_t most, found;
    do {
        lock(condition);
        CRASH_POINT("condition.notify.locked");
        most = count < ROUND ? (uint32_t)count : ROUND;
        found = most ? longest_waiting(arena, condition, end, picks, most) : 0;
        for (uint32_t i = 0; i < found; i++)
            notify_waiter(picks[i].waiter);
        wake_overflow_waiters(condition);
        unlock(condition);
        count -= found;
    } while (found == ROUND && count > 0);
}

/* ---- a waiter's death */

static void release_entries_of(struct arena *arena, struct condition *condition, uint32_t tag)
{
    lock(condition);
    for (uint32_t i = 0; i < top_of(condition); i++) {
        struct waiter *waiter = waiter_at(arena, condition, i);
        uint32_t state = state_of(waiter);
        /* A notifier does not ask which process is alive; so WAITING becomes FREE in one step,
         * too. */
        if (state != WAITER_FREE && waiter->tag == tag) {
            if (state == WAITER_NOTIFIED)
                pass_on(arena, condition, waiter);
            else
                atomic_store(&waiter->state, WAITER_FREE);
        }
    }
    unlock(condition);
}

static void on_owner_death(struct arena *arena, struct block *block, uint32_t tag)
{
    release_entries_of(arena, block_contents(block), tag);
}

static struct block *pop_child(struct arena *arena, struct block *block)
{
    struct condition *condition = block_contents(block);
    return overflow_pop_child(arena, condition->overflow_blocks, CONDITION_PARTS - 1);
}

static void visit_children(struct arena *arena, struct block *block, child_visitor visit,
                           void *with)
{
    (void)arena;
    struct condition *condition = block_contents(block);
    overflow_visit_children(condition->overflow_blocks, CONDITION_PARTS - 1, visit, with);
}

void condition_register(void)
{
    block_set_ops(BLOCK_CONDITION, (struct block_ops){.pop_child = pop_child,
                                                      .visit_children = visit_children,
                                                      .on_owner_death = on_owner_death});
}

/* An entry of a dead process that is only WAITING does no harm until it is notified. */
static void look_after(struct arena *arena, struct condition *condition, uint32_t least_state)
{
    uint32_t living = arena->tag; /* neighbours are often threads of one process */
    for (uint32_t i = 0; i < top_of(condition); i++) {
        struct waiter *waiter = waiter_at(arena, condition, i);
        uint32_t tag = atomic_load(&waiter->tag);
        if (state_of(waiter) < least_state || tag == living)
            continue;
        if (table_is_alive(arena, tag))
            living = tag;
        else
            release_entries_of(arena, condition, tag);
    }
}

/* Each waiter calls this after each slice of its sleep; of a thousand calls one has to look. If
 * that waiter is killed before it has looked, another looks half a slice later. */
void condition_look_after(struct arena *arena, struct condition *condition)
{
    deadline_t now = clock_now();
    if (now - atomic_load(&condition->looked_after) < SLICE_NS / 2)
        return;
    atomic_store(&condition->looked_after, now);
    look_after(arena, condition, WAITER_NOTIFIED);
}

/* ---- waiting */

static void fill_entry(struct arena *arena, struct condition *condition, uint32_t number)
{
    struct waiter *waiter = waiter_at(arena, condition, number);
    uint64_t ticket = atomic_fetch_add(&condition->next_ticket, 1);
    atomic_store_explicit(&waiter->tag, arena->tag, memory_order_relaxed);
    atomic_store_explicit(&waiter->ticket, ticket, memory_order_relaxed);
    if (number >= top_of(condition))
        atomic_store(&condition->top, number + 1);
    CRASH_POINT("condition.enter.before_commit");
    atomic_store_explicit(&waiter->state, WAITER_WAITING, memory_order_release);
    CRASH_POINT("condition.enter.committed");
}

/* False: no entry is free, and the caller does not want to wait without one. */
static bool take_entry(struct arena *arena, struct condition *condition,
                       struct condition_wait *wait, bool may_overflow)
{
    lock(condition);
    uint32_t number = free_entry(arena, condition);
    bool has_entry = is_entry(condition, number);
    wait->entry = has_entry ? number : CONDITION_NO_ENTRY;
    if (has_entry)
        fill_entry(arena, condition, number);
    else if (may_overflow) {
        wait->signal = atomic_load(&condition->overflow_signal);
        atomic_store(&condition->overflow_waiters, 1);
    }
    unlock(condition);
    return has_entry || may_overflow;
}

/* Makes a free entry, perhaps from that of a dead waiter. False: there can be none. */
static bool make_room(struct arena *arena, struct condition *condition)
{
    look_after(arena, condition, WAITER_WAITING);
    if (is_entry(condition, free_entry(arena, condition)))
        return true;
    for (uint32_t part = 1; part < CONDITION_PARTS; part++) {
        word_t *link = &condition->overflow_blocks[part - 1];
        if (word_get(link) == 0)
            return overflow_add(arena, link, (sizeof(struct waiter) * CONDITION_FIRST) << part) ==
                   STATUS_OK;
    }
    return false;
}

void condition_enter(struct arena *arena, struct condition *condition, struct condition_wait *wait)
{
    bool may_overflow = false;
    while (!take_entry(arena, condition, wait, may_overflow))
        may_overflow = !make_room(arena, condition);
}

static enum status sleep_without_entry(struct condition *condition, struct condition_wait *wait,
                                       deadline_t deadline)
{
    if (atomic_load(&condition->overflow_signal) != wait->signal)
        return STATUS_OK;
    enum status status = sleep_a_slice(&condition->overflow_signal, wait->signal, deadline);
    if (atomic_load(&condition->overflow_signal) != wait->signal)
        return STATUS_OK;
    return status == STATUS_OK ? STATUS_INTERRUPTED : status;
}

/* Only its waiter and notifiers change an entry that is taken. */
static enum status sleep_in_entry(_Atomic uint32_t *state, struct spin_wait *spin_wait,
                                  deadline_t deadline)
{
    uint32_t waiting = WAITER_WAITING;
    if (atomic_load_explicit(state, memory_order_acquire) == WAITER_WAITING)
        spin_wait_while(spin_wait, state, WAITER_WAITING);
    atomic_compare_exchange_strong(state, &waiting, WAITER_ASLEEP);
    if (atomic_load(state) == WAITER_NOTIFIED)
        return STATUS_OK;
    CRASH_POINT("condition.before_sleep");
    deadline_t begun = clock_now();
    enum status status = sleep_a_slice(state, WAITER_ASLEEP, deadline);
    spin_wait_slept(spin_wait, clock_now() - begun);
    if (atomic_load_explicit(state, memory_order_acquire) == WAITER_NOTIFIED)
        return STATUS_OK;
    return status == STATUS_OK ? STATUS_INTERRUPTED : status;
}

enum status condition_sleep(struct arena *arena, struct condition *condition,
                            struct condition_wait *wait, struct spin_wait *spin_wait,
                            deadline_t deadline)
{
    enum status status;
    if (wait->entry == CONDITION_NO_ENTRY)
        status = sleep_without_entry(condition, wait, deadline);
    else
        status = sleep_in_entry(&waiter_at(arena, condition, wait->entry)->state, spin_wait,
                                deadline);
    CRASH_POINT("condition.woken");
    if (status == STATUS_INTERRUPTED)
        condition_look_after(arena, condition);
    return status;
}

bool condition_leave(struct arena *arena, struct condition *condition, struct condition_wait *wait,
                     bool pass_on_notification)
{
    if (wait->entry == CONDITION_NO_ENTRY)
        return atomic_load(&condition->overflow_signal) != wait->signal;
    struct waiter *waiter = waiter_at(arena, condition, wait->entry);
    CRASH_POINT("condition.leave.before_commit");
    lock(condition);
    bool notified = state_of(waiter) == WAITER_NOTIFIED;
    if (notified && pass_on_notification)
        pass_on(arena, condition, waiter);
    else
        atomic_store(&waiter->state, WAITER_FREE);
    uint32_t top = top_of(condition);
    while (top > 0 && state_of(waiter_at(arena, condition, top - 1)) == WAITER_FREE)
        top--;
    atomic_store(&condition->top, top);
    unlock(condition);
    return notified;
}

uint32_t condition_waiting(struct arena *arena, struct condition *condition)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < top_of(condition); i++)
        count += waits(waiter_at(arena, condition, i));
    return count;
}
