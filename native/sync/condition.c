#include "condition.h"

#include <string.h>

#include "../crash_point.h"
#include "../shm/table.h"

#define NO_SEAT CONDITION_SEATS

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

static uint32_t state_of(struct condition *condition, uint32_t seat)
{
    return atomic_load_explicit(&condition->state[seat], memory_order_acquire);
}

static uint32_t top_of(struct condition *condition)
{
    return atomic_load_explicit(&condition->top, memory_order_relaxed);
}

static bool waits(struct condition *condition, uint32_t seat)
{
    uint32_t state = state_of(condition, seat);
    return state == SEAT_WAITING || state == SEAT_ASLEEP;
}

/* ---- notifying; the mutex is held */

static uint32_t longest_waiting(struct condition *condition)
{
    uint32_t best = NO_SEAT;
    for (uint32_t i = 0; i < top_of(condition); i++)
        if (waits(condition, i) &&
            (best == NO_SEAT || condition->ticket[i] < condition->ticket[best]))
            best = i;
    return best;
}

static void notify_seat(struct condition *condition, uint32_t seat)
{
    uint32_t before = atomic_exchange(&condition->state[seat], SEAT_NOTIFIED);
    CRASH_POINT("condition.notify.before_wake");
    if (before == SEAT_ASLEEP)
        futex_wake(&condition->state[seat], 1);
}

static void pass_on(struct condition *condition, uint32_t seat)
{
    uint32_t heir = longest_waiting(condition);
    if (heir != NO_SEAT)
        notify_seat(condition, heir);
    CRASH_POINT("condition.pass_on.between");
    atomic_store(&condition->state[seat], SEAT_FREE);
}

static void call_crowd(struct condition *condition)
{
    if (!atomic_load(&condition->crowd))
        return;
    atomic_store(&condition->crowd, 0); /* who comes to stand later sets it again */
    atomic_fetch_add(&condition->crowd_call, 1);
    futex_wake(&condition->crowd_call, FUTEX_EVERYBODY);
}

void condition_notify(struct condition *condition, uint64_t count)
{
    lock(condition);
    CRASH_POINT("condition.notify.locked");
    if (count >= CONDITION_SEATS) {
        for (uint32_t i = 0; i < top_of(condition); i++)
            if (waits(condition, i))
                notify_seat(condition, i);
    } else {
        uint32_t seat;
        while (count-- > 0 && (seat = longest_waiting(condition)) != NO_SEAT)
            notify_seat(condition, seat);
    }
    call_crowd(condition);
    unlock(condition);
}

/* ---- a waiter's death */

static void strike(struct condition *condition, uint32_t tag)
{
    lock(condition);
    for (uint32_t i = 0; i < top_of(condition); i++)
        if (state_of(condition, i) != SEAT_FREE && condition->tag[i] == tag) {
            /* A notifier does not look who lives; so from WAITING to FREE in one step as well. */
            if (state_of(condition, i) == SEAT_NOTIFIED)
                pass_on(condition, i);
            else
                atomic_store(&condition->state[i], SEAT_FREE);
        }
    unlock(condition);
}

static void mourn(struct arena *arena, struct block *block, uint32_t tag)
{
    (void)arena;
    strike(block_payload(block), tag);
}

void condition_register(void)
{
    arena_set_manners(BLOCK_CONDITION, (struct block_manners){.mourn = mourn});
}

/* A seat of a dead process that is only WAITING does no harm until it is notified. */
static void look_after(struct arena *arena, struct condition *condition, uint32_t least_state)
{
    for (uint32_t i = 0; i < top_of(condition); i++) {
        uint32_t tag = atomic_load(&condition->tag[i]);
        if (state_of(condition, i) >= least_state && !table_is_alive(arena, tag))
            strike(condition, tag);
    }
}

void condition_look_after(struct arena *arena, struct condition *condition)
{
    look_after(arena, condition, SEAT_NOTIFIED);
}

/* ---- waiting */

static uint32_t free_seat(struct condition *condition)
{
    uint32_t top = top_of(condition);
    for (uint32_t i = 0; i < top; i++)
        if (state_of(condition, i) == SEAT_FREE)
            return i;
    return top; /* NO_SEAT if that is the end */
}

void condition_enter(struct arena *arena, struct condition *condition, struct condition_wait *wait)
{
    if (free_seat(condition) == NO_SEAT)
        look_after(arena, condition, SEAT_WAITING); /* perhaps the dead have seats to spare */
    lock(condition);
    uint32_t seat = wait->seat = free_seat(condition);
    if (seat != NO_SEAT) {
        uint64_t ticket = atomic_fetch_add(&condition->next_ticket, 1);
        atomic_store_explicit(&condition->tag[seat], arena->tag, memory_order_relaxed);
        atomic_store_explicit(&condition->ticket[seat], ticket, memory_order_relaxed);
        if (seat >= top_of(condition))
            atomic_store(&condition->top, seat + 1);
        CRASH_POINT("condition.enter.before_commit");
        atomic_store_explicit(&condition->state[seat], SEAT_WAITING, memory_order_release);
        CRASH_POINT("condition.enter.committed");
    } else {
        wait->call = atomic_load(&condition->crowd_call);
        atomic_store(&condition->crowd, 1);
    }
    unlock(condition);
}

static enum status stand(struct condition *condition, struct condition_wait *wait,
                         deadline_t deadline)
{
    if (atomic_load(&condition->crowd_call) != wait->call)
        return STATUS_OK;
    enum status status = sleep_a_slice(&condition->crowd_call, wait->call, deadline);
    if (atomic_load(&condition->crowd_call) != wait->call)
        return STATUS_OK;
    return status == STATUS_OK ? STATUS_INTERRUPTED : status;
}

/* Only its owner and notifiers change a seat that is taken. */
static enum status sit(_Atomic uint32_t *state, struct patience *patience, deadline_t deadline)
{
    uint32_t waiting = SEAT_WAITING;
    if (atomic_load_explicit(state, memory_order_acquire) == SEAT_WAITING)
        patience_spin(patience, state, SEAT_WAITING);
    atomic_compare_exchange_strong(state, &waiting, SEAT_ASLEEP);
    if (atomic_load(state) == SEAT_NOTIFIED)
        return STATUS_OK;
    CRASH_POINT("condition.before_sleep");
    deadline_t begun = clock_now();
    enum status status = sleep_a_slice(state, SEAT_ASLEEP, deadline);
    patience_slept(patience, clock_now() - begun);
    if (atomic_load_explicit(state, memory_order_acquire) == SEAT_NOTIFIED)
        return STATUS_OK;
    return status == STATUS_OK ? STATUS_INTERRUPTED : status;
}

enum status condition_sleep(struct arena *arena, struct condition *condition,
                            struct condition_wait *wait, struct patience *patience,
                            deadline_t deadline)
{
    enum status status;
    if (wait->seat == NO_SEAT)
        status = stand(condition, wait, deadline);
    else
        status = sit(&condition->state[wait->seat], patience, deadline);
    CRASH_POINT("condition.woken");
    if (status == STATUS_INTERRUPTED)
        condition_look_after(arena, condition);
    return status;
}

bool condition_leave(struct condition *condition, struct condition_wait *wait, bool forgo)
{
    if (wait->seat == NO_SEAT)
        return atomic_load(&condition->crowd_call) != wait->call;
    CRASH_POINT("condition.leave.before_commit");
    lock(condition);
    bool notified = state_of(condition, wait->seat) == SEAT_NOTIFIED;
    if (notified && forgo)
        pass_on(condition, wait->seat);
    else
        atomic_store(&condition->state[wait->seat], SEAT_FREE);
    for (uint32_t top; (top = top_of(condition)) > 0 && !state_of(condition, top - 1);)
        atomic_store(&condition->top, top - 1);
    unlock(condition);
    return notified;
}

uint32_t condition_waiting(struct condition *condition)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < top_of(condition); i++)
        count += waits(condition, i);
    return count;
}
