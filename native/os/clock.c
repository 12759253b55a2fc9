#include "clock.h"

#include <time.h>

deadline_t clock_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

deadline_t clock_next_slice(deadline_t deadline)
{
    deadline_t slice = clock_now() + SLICE_NS;
    return slice < deadline ? slice : deadline;
}
