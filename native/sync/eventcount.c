#include "eventcount.h"

uint32_t eventcount_prepare(struct eventcount *event)
{
    gate_take_ticket(&event->gate);
    return atomic_load(&event->count);
}

enum status eventcount_sleep(struct eventcount *event, uint32_t seen, deadline_t deadline)
{
    return gate_sleep(&event->count, seen, deadline);
}

void eventcount_advance(struct eventcount *event, unsigned wake)
{
    /* The fence makes the change visible before the tickets are read. */
    atomic_thread_fence(memory_order_seq_cst);
    if (atomic_load_explicit(&event->gate.tickets, memory_order_relaxed) == 0)
        return;
    atomic_fetch_add(&event->count, 1);
    gate_open(&event->gate, &event->count, wake);
}
