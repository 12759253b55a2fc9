/* One memory file, mapped by windows, at addresses that keep the file's order.
 *
 * Idea      The file's size is set once; it is sparse, so only what is used costs memory. A process
 *           maps the windows that it needs, each at base + offset, in a part of the address space
 *           that nothing else uses. So an address is a sum, as if the whole file were mapped, and
 *           the address space in use (RLIMIT_AS) is in proportion to what is used.
 * Invariant What is mapped stays mapped, at its address. Every byte below `reach` is mapped.
 * Limits    A limit of the address space shows as STATUS_NO_MEMORY of mapping_reach(). A few
 *           windows of address space are held back for the steps that must not fail:
 *           mapping_must_reach().
 * File      The descriptor makes windows while it is the file's own. A program may close it: then a
 *           window is made from one that is mapped, by mremap with an old size of 0.
 * Crash     A mapping is the process's own and goes with it. The file's size is set before any
 *           other process can know of the file.
 * Fallback  Where the kernel does not give the wished-for address (a small address space,
 *           sanitizers), one range is reserved, as large as there is room for, and never grows. */
#ifndef PROCESSION_OS_MAPPING_H
#define PROCESSION_OS_MAPPING_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "../status.h"
#include "memory_file.h"

enum { WINDOW_BITS = 23, WINDOW_WORDS = 2048, HELD_BACK = 4 };
#define WINDOW_BYTES (UINT64_C(1) << WINDOW_BITS)
#define MAPPING_LARGEST (WINDOW_BYTES * WINDOW_WORDS * 64) /* a terabyte */

struct mapping {
    char *base;             /* where byte 0 of the file is */
    _Atomic uint64_t reach; /* every byte below is mapped */
    uint64_t size;          /* of the file; whole pages */
    uint64_t page_bytes;    /* of this machine */
    bool is_fixed;          /* no window can be added: see Fallback */
    struct memory_file file;
    _Atomic bool is_short;                  /* some of what is held back is used up */
    void *_Atomic held_back[HELD_BACK];     /* unusable memory, a window each */
    _Atomic uint64_t windows[WINDOW_WORDS]; /* a bit each: mapped */
};

/* A new file of *size* bytes, at most MAPPING_LARGEST; smaller if a limit does not allow more. */
enum status mapping_create(struct mapping *mapping, uint64_t size);
/* Maps the file behind *fd*, of *size* bytes; the mapping then owns the descriptor. */
enum status mapping_open(struct mapping *mapping, int fd, uint64_t size);
void mapping_close(struct mapping *mapping);

/* Every byte below is mapped. Acquire, pairs with the store after a window was mapped. */
static inline uint64_t mapping_reached(const struct mapping *mapping)
{
    return atomic_load_explicit(&mapping->reach, memory_order_acquire);
}

/* Maps the windows of [from, to), all or none of those that are missing in a row. */
enum status mapping_reach_further(struct mapping *mapping, uint64_t from, uint64_t to);
static inline enum status mapping_reach(struct mapping *mapping, uint64_t from, uint64_t to)
{
    if (__builtin_expect(from <= to && to <= mapping_reached(mapping), 1))
        return STATUS_OK;
    return mapping_reach_further(mapping, from, to);
}
/* The same for the window of *offset*, with what is held back. False: that is used up as well, or
 * the offset is beyond the file. */
bool mapping_must_reach(struct mapping *mapping, uint64_t offset);
/* The same; ends the process, with a message, where that is false: it cannot go on. */
void mapping_require(const struct mapping *mapping, uint64_t offset);
/* Holds back again what was used. False: there is no room for all of it. */
bool mapping_hold_back(struct mapping *mapping);

/* How many bytes of address space this process may have; UINT64_MAX: no limit. */
uint64_t mapping_limit(void);

/* Registers what a fork needs while another thread maps a window: once, before any code whose own
 * handlers around fork use a mapping. 0, or an error number. */
int mapping_register_fork(void);

static inline uint64_t round_up(uint64_t number, uint64_t unit) /* a power of two */
{
    return (number + unit - 1) & ~(unit - 1);
}

#endif
