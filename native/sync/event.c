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
    event_count_advance(&event->sleepers, FUTEX_EVERYBODY);
}

void event_clear(struct event *event)
{
    atomic_fetch_and(&event->word, ~UINT32_C(1));
}

enum status event_wait(struct event *event, struct spin_wait *spin_wait, uint32_t seen,
                       deadline_t deadline)
{
    if (event_came(event_look(event), seen) || spin_wait_while(spin_wait, &event->word, seen))
        return STATUS_OK;
    uint32_t count = event_count_prepare(&event->sleepers);
    if (event_came(event_look(event), seen))
        return STATUS_OK;
    deadline_t begun = clock_now();
    enum status status = event_count_sleep(&event->sleepers, count, deadline);
    spin_wait_slept(spin_wait, clock_now() - begun);
    return status;
}
