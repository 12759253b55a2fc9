#include "futex.h"

#include <errno.h>
#include <linux/futex.h>
#include <stddef.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum futex_result futex_wait(_Atomic uint32_t *word, uint32_t expected, deadline_t deadline)
{
    struct timespec until = {.tv_sec = deadline / NS_PER_S, .tv_nsec = deadline % NS_PER_S};
    long result = syscall(SYS_futex, word, FUTEX_WAIT_BITSET, expected,
                          deadline == DEADLINE_NEVER ? NULL : &until, NULL, FUTEX_BITSET_MATCH_ANY);
    if (result == 0 || errno == EAGAIN)
        return FUTEX_WOKEN;
    return errno == ETIMEDOUT ? FUTEX_TIMED_OUT : FUTEX_INTERRUPTED;
}

unsigned futex_wake(_Atomic uint32_t *word, unsigned count)
{
    long woken = syscall(SYS_futex, word, FUTEX_WAKE, count, NULL, NULL, 0);
    return woken > 0 ? (unsigned)woken : 0;
}
