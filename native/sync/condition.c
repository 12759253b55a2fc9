#include "condition.h"

#include <string.h>

#include "../crash_point.h"
#include "../shm/process_table.h"

/* How many seats a notifier marks before it lets go of the mutex for once. */
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

/* ---- seats */

static bool is_seat(struct condition *condition, uint32_t number)
{
    uint32_t part = annex_part(CONDITION_FIRST, number);
    return part == 0 || (part < CONDITION_PARTS && word_get(&condition->annexes[part - 1]) != 0);
}

static struct seat *seat_at(struct arena *arena, struct condition *condition, uint32_t number)
{
    uint32_t part = annex_part(CONDITION_FIRST, number);
    if (part == 0)
        return &condition->first[number];
    struct seat *seats = annex_at(arena, &condition->annexes[part - 1]);
    return seats + (number - annex_start(CONDITION_FIRST, part));
}

static uint32_t state_of(const struct seat *seat)
{
    return atomic_load_explicit(&seat->state, memory_order_acquire);
}

static bool waits(const struct seat *seat)
{
    uint32_t state = state_of(seat);
    return state == SEAT_WAITING || state == SEAT_ASLEEP;
}

/* Acquire: who looks without the mutex finds the annexes of all seats below. */
static uint32_t top_of(struct condition *condition)
{
    return atomic_load_explicit(&condition->top, memory_order_acquire);
}

/* Below the top, or the seat at the top, which there may not be. */
static uint32_t free_seat(struct arena *arena, struct condition *condition)
{
    uint32_t top = top_of(condition);
    for (uint32_t i = 0; i < top; i++)
        if (state_of(seat_at(arena, condition, i)) == SEAT_FREE)
            return i;
    return top;
}

/* ---- who has waited longest; the mutex is held */

struct pick {
    struct seat *seat;
    uint64_t ticket;
};

/* Into *picks*, which are in order; of more than *most* the last falls out. */
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

/* Those *most* (> 0) who have waited longest, of those with a ticket below *end*; how many. */
static uint32_t longest_waiting(struct arena *arena, struct condition *condition, uint64_t end,
                                struct pick *picks, uint32_t most)
{
    uint32_t count = 0, top = top_of(condition);
    for (uint32_t i = 0; i < top; i++) {
        struct seat *seat = seat_at(arena, condition, i);
        uint64_t ticket = atomic_load_explicit(&seat->ticket, memory_order_relaxed);
        if (waits(seat) && ticket < end)
            insert(picks, &count, most, (struct pick){seat, ticket});
    }
    return count;
}

/* ---- notifying; the mutex is held */

static void notify_seat(struct seat *seat)
{
    uint32_t before = atomic_exchange(&seat->state, SEAT_NOTIFIED);
    CRASH_POINT("condition.notify.before_wake");
    if (before == SEAT_ASLEEP)
        futex_wake(&seat->state, 1);
}

static void pass_on(struct arena *arena, struct condition *condition, struct seat *seat)
{
    struct pick heir;
    if (longest_waiting(arena, condition, FOR_EVER, &heir, 1))
        notify_seat(heir.seat);
    CRASH_POINT("condition.pass_on.between");
    atomic_store(&seat->state, SEAT_FREE);
}

static void call_crowd(struct condition *condition)
{
    if (!atomic_load(&condition->crowd))
        return;
    atomic_fetch_add(&condition->crowd_call, 1);
    CRASH_POINT("condition.crowd.called");
    atomic_store(&condition->crowd, 0); /* who comes to stand later sets it again */
    futex_wake(&condition->crowd_call, FUTEX_EVERYBODY);
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
            notify_seat(picks[i].seat);
        call_crowd(condition);
        unlock(condition);
        count -= found;
    } while (found == ROUND && count > 0);
}

/* ---- a waiter's death */

static void strike(struct arena *arena, struct condition *condition, uint32_t tag)
{
    lock(condition);
    for (uint32_t i = 0; i < top_of(condition); i++) {
        struct seat *seat = seat_at(arena, condition, i);
        uint32_t state = state_of(seat);
        /* A notifier does not look who lives; so from WAITING to FREE in one step as well. */
        if (state != SEAT_FREE && seat->tag == tag) {
            if (state == SEAT_NOTIFIED)
                pass_on(arena, condition, seat);
            else
                atomic_store(&seat->state, SEAT_FREE);
        }
    }
    unlock(condition);
}

static void mourn(struct arena *arena, struct block *block, uint32_t tag)
{
    strike(arena, block_payload(block), tag);
}

static struct block *surrender(struct arena *arena, struct block *block)
{
    struct condition *condition = block_payload(block);
    return annex_surrender(arena, condition->annexes, CONDITION_PARTS - 1);
}

static void each_owned(struct arena *arena, struct block *block, owned_visitor visit, void *with)
{
    (void)arena;
    struct condition *condition = block_payload(block);
    annex_each_owned(condition->annexes, CONDITION_PARTS - 1, visit, with);
}

void condition_register(void)
{
    arena_set_manners(
        BLOCK_CONDITION,
        (struct block_manners){.surrender = surrender, .each_owned = each_owned, .mourn = mourn});
}

/* A seat of a dead process that is only WAITING does no harm until it is notified. */
static void look_after(struct arena *arena, struct condition *condition, uint32_t least_state)
{
    uint32_t living = arena->tag; /* neighbours are often threads of one process */
    for (uint32_t i = 0; i < top_of(condition); i++) {
        struct seat *seat = seat_at(arena, condition, i);
        uint32_t tag = atomic_load(&seat->tag);
        if (state_of(seat) < least_state || tag == living)
            continue;
        if (table_is_alive(arena, tag))
            living = tag;
        else
            strike(arena, condition, tag);
    }
}

/* Each waiter comes here after each slice of its sleep; of a thousand one is enough. Who is killed before
 * it has looked has the others look half a slice later. */
void condition_look_after(struct arena *arena, struct condition *condition)
{
    deadline_t now = clock_now();
    if (now - atomic_load(&condition->looked_after) < SLICE_NS / 2)
        return;
    atomic_store(&condition->looked_after, now);
    look_after(arena, condition, SEAT_NOTIFIED);
}

/* ---- waiting */

static void sit_down(struct arena *arena, struct condition *condition, uint32_t number)
{
    struct seat *seat = seat_at(arena, condition, number);
    uint64_t ticket = atomic_fetch_add(&condition->next_ticket, 1);
    atomic_store_explicit(&seat->tag, arena->tag, memory_order_relaxed);
    atomic_store_explicit(&seat->ticket, ticket, memory_order_relaxed);
    if (number >= top_of(condition))
        atomic_store(&condition->top, number + 1);
    CRASH_POINT("condition.enter.before_commit");
    atomic_store_explicit(&seat->state, SEAT_WAITING, memory_order_release);
    CRASH_POINT("condition.enter.committed");
}

/* False: no seat is free, and the caller does not want to stand. */
static bool take_place(struct arena *arena, struct condition *condition,
                       struct condition_wait *wait, bool may_stand)
{
    lock(condition);
    uint32_t number = free_seat(arena, condition);
    bool sits = is_seat(condition, number);
    wait->seat = sits ? number : CONDITION_STANDS;
    if (sits)
        sit_down(arena, condition, number);
    else if (may_stand) {
        wait->call = atomic_load(&condition->crowd_call);
        atomic_store(&condition->crowd, 1);
    }
    unlock(condition);
    return sits || may_stand;
}

/* A free seat more, perhaps one of a dead waiter. False: there can be none. */
static bool make_room(struct arena *arena, struct condition *condition)
{
    look_after(arena, condition, SEAT_WAITING);
    if (is_seat(condition, free_seat(arena, condition)))
        return true;
    for (uint32_t part = 1; part < CONDITION_PARTS; part++) {
        word_t *link = &condition->annexes[part - 1];
        if (word_get(link) == 0)
            return annex_add(arena, link, (sizeof(struct seat) * CONDITION_FIRST) << part) ==
                   STATUS_OK;
    }
    return false;
}

void condition_enter(struct arena *arena, struct condition *condition, struct condition_wait *wait)
{
    bool may_stand = false;
    while (!take_place(arena, condition, wait, may_stand))
        may_stand = !make_room(arena, condition);
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
    if (wait->seat == CONDITION_STANDS)
        status = stand(condition, wait, deadline);
    else
        status = sit(&seat_at(arena, condition, wait->seat)->state, patience, deadline);
    CRASH_POINT("condition.woken");
    if (status == STATUS_INTERRUPTED)
        condition_look_after(arena, condition);
    return status;
}

bool condition_leave(struct arena *arena, struct condition *condition, struct condition_wait *wait,
                     bool forgo)
{
    if (wait->seat == CONDITION_STANDS)
        return atomic_load(&condition->crowd_call) != wait->call;
    struct seat *seat = seat_at(arena, condition, wait->seat);
    CRASH_POINT("condition.leave.before_commit");
    lock(condition);
    bool notified = state_of(seat) == SEAT_NOTIFIED;
    if (notified && forgo)
        pass_on(arena, condition, seat);
    else
        atomic_store(&seat->state, SEAT_FREE);
    uint32_t top = top_of(condition);
    while (top > 0 && state_of(seat_at(arena, condition, top - 1)) == SEAT_FREE)
        top--;
    atomic_store(&condition->top, top);
    unlock(condition);
    return notified;
}

uint32_t condition_waiting(struct arena *arena, struct condition *condition)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < top_of(condition); i++)
        count += waits(seat_at(arena, condition, i));
    return count;
}
