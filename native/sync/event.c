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
    gate_open(&event->gate, &event->word, FUTEX_EVERYBODY);
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
    gate_take_ticket(&event->gate);
    if (event_came(event_look(event), seen))
        return STATUS_OK;
    deadline_t begun = clock_now();
    enum status status = gate_sleep(&event->word, seen, deadline);
    patience_slept(patience, clock_now() - begun);
    return status;
}
