#include "thread.h"

__thread uint32_t thread_number THREAD_MODEL;

uint32_t thread_take_number(void)
{
    static _Atomic uint32_t last;
    while (thread_number == 0) /* after four thousand million threads the count begins anew */
        thread_number = atomic_fetch_add(&last, 1) + 1;
    return thread_number;
}
