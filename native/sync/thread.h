/* The number of this thread, among all that the family ever has.
 *
 * Idea      The process's tag and, below it, a number that the process counts up. It is never used
 *           again while anything remembers it, unlike the kernel's and libc's names of threads,
 *           which a forked child even shares with its parent. */
#ifndef PROCESSION_SYNC_THREAD_H
#define PROCESSION_SYNC_THREAD_H

#include <stdatomic.h>
#include <stdint.h>

#ifdef __GLIBC__
/* One access instead of a call; glibc keeps room for such small variables of loaded libraries. */
#define THREAD_MODEL __attribute__((tls_model("initial-exec")))
#else
#define THREAD_MODEL
#endif

extern __thread uint32_t thread_number THREAD_MODEL;
uint32_t thread_take_number(void);

/* Never 0, since a tag never is. */
static inline uint64_t thread_id(uint32_t tag)
{
    uint32_t number = thread_number;
    return (uint64_t)tag << 32 | (number ? number : thread_take_number());
}

#endif
