/* The sizes of blocks: four to each power of two, so that at most a fifth is wasted.
 *
 * A block keeps its class for ever: blocks are never split or joined. That can waste address space,
 * of which there is plenty, but no memory: the pages of large free blocks go back to the system. */
#ifndef PROCESSION_SHM_SIZE_CLASS_H
#define PROCESSION_SHM_SIZE_CLASS_H

#include <stdint.h>

enum { SMALLEST_BLOCK = 128, SMALLEST_BITS = 7 };

/* The pages of blocks from here on are given back when they are free. They begin so that on most
 * machines all but their first page can be; where pages are larger, those that lie whole in the
 * block. */
#define LARGE_BLOCK (UINT64_C(64) << 10)
#define LARGE_ALIGNMENT UINT64_C(4096)

static inline uint64_t size_class_bytes(uint32_t size_class)
{
    uint64_t power = (uint64_t)SMALLEST_BLOCK << (size_class / 4);
    uint64_t bytes = power + power / 4 * (size_class % 4);
    return (bytes + 63) & ~UINT64_C(63);
}

/* The smallest class of at least *bytes*. */
static inline uint32_t size_class_of(uint64_t bytes)
{
    if (bytes <= SMALLEST_BLOCK)
        return 0;
    uint32_t exponent = 63 - (uint32_t)__builtin_clzll(bytes - 1); /* 2^exponent < bytes */
    uint32_t quarter = (uint32_t)((bytes - 1) >> (exponent - 2)) & 3;
    return (exponent - SMALLEST_BITS) * 4 + quarter + 1;
}

#endif
