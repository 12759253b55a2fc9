#include "spin_wait.h"

#include <sched.h>

#include "../os/liveness.h"

#define LONGEST_SPIN (40 * NS_PER_US) /* about what a futex round trip between processors costs */
#define SHORTEST_SPIN (1 * NS_PER_US)
/* Few: where both sides share a processor each turn is wasted, and a yield to no one is cheap. */
enum { TURNS_BEFORE_YIELD = 4 };

void spin_wait_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("yield");
#endif
}

bool spin_wait_allowed(void)
{
    static _Atomic int known; /* 0: not asked yet, 1: no, 2: yes */
    int answer = atomic_load_explicit(&known, memory_order_relaxed);
    if (answer == 0) {
        answer = process_cpu_count() > 1 ? 2 : 1;
        atomic_store_explicit(&known, answer, memory_order_relaxed);
    }
    return answer == 2;
}

void spin_wait_init(struct spin_wait *spin_wait)
{
    atomic_store(&spin_wait->spin, spin_wait_allowed() ? LONGEST_SPIN : 0);
}

bool spin_wait_while(struct spin_wait *spin_wait, _Atomic uint32_t *word, uint32_t seen)
{
    nanoseconds spin = atomic_load_explicit(&spin_wait->spin, memory_order_relaxed);
    if (spin == 0)
        return false;
    deadline_t end = clock_now() + spin;
    for (unsigned turn = 1;; turn++) {
        if (atomic_load_explicit(word, memory_order_acquire) != seen)
            return true;
        if (turn < TURNS_BEFORE_YIELD) {
            spin_wait_relax();
            continue;
        }
        if (clock_now() > end)
            return false;
        sched_yield();
    }
}

void spin_wait_slept(struct spin_wait *spin_wait, nanoseconds slept)
{
    if (!spin_wait_allowed())
        return;
    nanoseconds spin = atomic_load_explicit(&spin_wait->spin, memory_order_relaxed);
    if (slept < 2 * LONGEST_SPIN)
        spin = LONGEST_SPIN;
    else if (spin > SHORTEST_SPIN)
        spin /= 2;
    atomic_store_explicit(&spin_wait->spin, spin, memory_order_relaxed);
}
