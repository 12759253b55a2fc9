#include "event.h"

#include "../crash_point.h"

void event_set(struct event *event)
{
    uint32_t word = atomic_load(&event->word);
    do {
        if (word & 1)
            return;
    } while (!atomic_compare_exchange_weak(&event->word, &word, word + 3));
    CRASH_POINT("event.set.before_wake");
    eventcount_advance(&event->sleepers, FUTEX_EVERYBODY);
}

void event_clear(struct event *event)
{
    atomic_fetch_and(&event->word, ~UINT32_C(1));
}

enum status event_wait(struct event *event, struct patience *patience, uint32_t seen,
                       deadline_t deadline)
{
    if (event_came(event_look(event), seen) || patience_spin(patience, &event->word, seen))
        return STATUS_OK;
    uint32_t count = eventcount_prepare(&event->sleepers);
    if (event_came(event_look(event), seen))
        return STATUS_OK;
    deadline_t begun = clock_now();
    enum status status = eventcount_sleep(&event->sleepers, count, deadline);
    patience_slept(patience, clock_now() - begun);
    return status;
}
