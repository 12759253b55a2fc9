#include "event_count.h"

#include <stdbool.h>

#include "../crash_point.h"

#define SLEEPING UINT32_C(1)
#define STEP UINT32_C(2)

uint32_t event_count_prepare(struct event_count *event)
{
    uint32_t seen = atomic_fetch_or(&event->word, SLEEPING) | SLEEPING;
    CRASH_POINT("event_count.prepared");
    /* Pairs with the fence in event_count_advance: the bit is visible before the state is read. */
    atomic_thread_fence(memory_order_seq_cst);
    return seen;
}

enum status sleep_a_slice(_Atomic uint32_t *word, uint32_t seen, deadline_t deadline)
{
    deadline_t slice = clock_next_slice(deadline);
    switch (futex_wait(word, seen, slice)) {
    case FUTEX_WOKEN:
        CRASH_POINT("event_count.woken");
        return STATUS_OK;
    case FUTEX_TIMED_OUT:
        return slice == deadline ? STATUS_TIMED_OUT : STATUS_INTERRUPTED;
    default:
        return STATUS_INTERRUPTED;
    }
}

enum status event_count_sleep(struct event_count *event, uint32_t seen, deadline_t deadline)
{
    return sleep_a_slice(&event->word, seen, deadline);
}

static void wake_all(struct event_count *event)
{
    uint32_t word = atomic_load(&event->word);
    while (!atomic_compare_exchange_weak(&event->word, &word, (word + STEP) & ~SLEEPING))
        ;
    CRASH_POINT("event_count.before_wake");
    futex_wake(&event->word, FUTEX_EVERYBODY);
}

static void wake_some(struct event_count *event, unsigned wake)
{
    uint32_t word = atomic_fetch_add(&event->word, STEP) + STEP;
    CRASH_POINT("event_count.before_wake");
    if (futex_wake(&event->word, wake) >= wake)
        return; /* there may be more sleepers */
    if (!(word & SLEEPING) ||
        !atomic_compare_exchange_strong(&event->word, &word, word + STEP - SLEEPING))
        return; /* another waker has cleared it */
    CRASH_POINT("event_count.cleared");
    futex_wake(&event->word, FUTEX_EVERYBODY);
}

void event_count_advance(struct event_count *event, unsigned wake)
{
    /* Pairs with the fence in event_count_prepare: the change is visible before the bit is read. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!(atomic_load_explicit(&event->word, memory_order_relaxed) & SLEEPING))
        return;
    if (wake == FUTEX_EVERYBODY)
        wake_all(event);
    else
        wake_some(event, wake);
}
