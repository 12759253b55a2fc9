#include "event_count.h"

#include <stdbool.h>

#include "../crash_point.h"

#define SOMEBODY UINT32_C(1)
#define STEP UINT32_C(2)

uint32_t eventcount_prepare(struct eventcount *event)
{
    uint32_t seen = atomic_fetch_or(&event->word, SOMEBODY) | SOMEBODY;
    CRASH_POINT("eventcount.prepared");
    /* Pairs with the fence in eventcount_advance: the bit is visible before the state is read. */
    atomic_thread_fence(memory_order_seq_cst);
    return seen;
}

enum status sleep_a_slice(_Atomic uint32_t *word, uint32_t seen, deadline_t deadline)
{
    deadline_t slice = clock_next_slice(deadline);
    switch (futex_wait(word, seen, slice)) {
    case FUTEX_WOKEN:
        CRASH_POINT("eventcount.woken");
        return STATUS_OK;
    case FUTEX_TIMED_OUT:
        return slice == deadline ? STATUS_TIMED_OUT : STATUS_INTERRUPTED;
    default:
        return STATUS_INTERRUPTED;
    }
}

enum status eventcount_sleep(struct eventcount *event, uint32_t seen, deadline_t deadline)
{
    return sleep_a_slice(&event->word, seen, deadline);
}

static void wake_all(struct eventcount *event)
{
    uint32_t word = atomic_load(&event->word);
    while (!atomic_compare_exchange_weak(&event->word, &word, (word + STEP) & ~SOMEBODY))
        ;
    CRASH_POINT("eventcount.before_wake");
    futex_wake(&event->word, FUTEX_EVERYBODY);
}

static void wake_some(struct eventcount *event, unsigned wake)
{
    uint32_t word = atomic_fetch_add(&event->word, STEP) + STEP;
    CRASH_POINT("eventcount.before_wake");
    if (futex_wake(&event->word, wake) >= wake)
        return; /* there may be more */
    if (!(word & SOMEBODY) ||
        !atomic_compare_exchange_strong(&event->word, &word, word + STEP - SOMEBODY))
        return; /* another has done it */
    CRASH_POINT("eventcount.cleared");
    futex_wake(&event->word, FUTEX_EVERYBODY);
}

void eventcount_advance(struct eventcount *event, unsigned wake)
{
    /* Pairs with the fence in eventcount_prepare: the change is visible before the bit is read. */
    atomic_thread_fence(memory_order_seq_cst);
    if (!(atomic_load_explicit(&event->word, memory_order_relaxed) & SOMEBODY))
        return;
    if (wake == FUTEX_EVERYBODY)
        wake_all(event);
    else
        wake_some(event, wake);
}
