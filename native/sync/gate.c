#include "gate.h"

#include "../crash_point.h"

void gate_take_ticket(struct gate *gate)
{
    if (atomic_fetch_add(&gate->tickets, 1) == UINT32_MAX)
        atomic_fetch_add(&gate->tickets, 1); /* 0 means nobody */
    CRASH_POINT("gate.ticket_taken");
}

enum status gate_sleep(_Atomic uint32_t *word, uint32_t seen, deadline_t deadline)
{
    deadline_t slice = clock_next_slice(deadline);
    switch (futex_wait(word, seen, slice)) {
    case FUTEX_WOKEN:
        CRASH_POINT("gate.woken");
        return STATUS_OK;
    case FUTEX_TIMED_OUT:
        return slice == deadline ? STATUS_TIMED_OUT : STATUS_INTERRUPTED;
    default:
        return STATUS_INTERRUPTED;
    }
}

void gate_open(struct gate *gate, _Atomic uint32_t *word, unsigned count)
{
    atomic_thread_fence(memory_order_seq_cst);
    uint32_t tickets = atomic_load_explicit(&gate->tickets, memory_order_relaxed);
    if (tickets == 0)
        return;
    CRASH_POINT("gate.before_wake");
    if (futex_wake(word, count) == 0)
        atomic_compare_exchange_strong(&gate->tickets, &tickets, 0);
}
