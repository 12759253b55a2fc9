#include "mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

/* From 64 terabytes on there is nothing in an address space of 47 bits or more: the kernel's own
 * choices grow down from its end, or up from a third of it; programs lie at two thirds. Each arena
 * of this process gets a part of two terabytes, and begins at random in the first half of it. */
#define FIRST_PART (UINT64_C(64) << 40)
#define PART_BYTES (UINT64_C(2) << 40)
enum { PARTS = 8 };
#if defined(__SANITIZE_THREAD__)
enum { ATTEMPTS = 0 }; /* it lets a program have no such address */
#else
enum { ATTEMPTS = PARTS };
#endif

/* A limit of file sizes that leaves less is not kept: the memory has no file then. */
#define SMALLEST_FILE (UINT64_C(1) << 30)

/* A process maps a window at a time. What lies in the mapping's table is written under it. */
static pthread_mutex_t mapping_mutex = PTHREAD_MUTEX_INITIALIZER;

static void lock(void)
{
    pthread_mutex_lock(&mapping_mutex);
}

static void unlock(void)
{
    pthread_mutex_unlock(&mapping_mutex);
}

int mapping_register_fork(void)
{
    return pthread_atfork(lock, unlock, unlock);
}

/* ---- the table of windows */

static bool is_mapped(const struct mapping *mapping, uint64_t window)
{
    return atomic_load_explicit(&mapping->windows[window / 64], memory_order_acquire) >>
               (window % 64) &
           1;
}

/* Notes that the windows of [from, to) are mapped. */
static void note_mapped(struct mapping *mapping, uint64_t from, uint64_t to)
{
    for (uint64_t window = from >> WINDOW_BITS; window << WINDOW_BITS < to; window++)
        atomic_fetch_or(&mapping->windows[window / 64], UINT64_C(1) << (window % 64));
    uint64_t reach = atomic_load(&mapping->reach);
    while (reach < mapping->size && is_mapped(mapping, reach >> WINDOW_BITS))
        reach += WINDOW_BYTES;
    atomic_store(&mapping->reach, reach < mapping->size ? reach : mapping->size);
    madvise(mapping->base + from, to - from, MADV_DONTDUMP); /* a core dump must not copy it all */
}

/* ---- what is held back */

bool mapping_hold_back(struct mapping *mapping)
{
    if (mapping->is_fixed)
        return true;
    lock();
    bool all = true;
    for (unsigned i = 0; i < HELD_BACK && all; i++) {
        if (atomic_load(&mapping->held_back[i]))
            continue;
        void *memory = mmap(NULL, WINDOW_BYTES, PROT_NONE,
                            MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        all = memory != MAP_FAILED;
        if (all)
            atomic_store(&mapping->held_back[i], memory);
    }
    atomic_store(&mapping->is_short, !all);
    unlock();
    return all;
}

/* The mutex is held. */
static bool use_held_back(struct mapping *mapping)
{
    for (unsigned i = 0; i < HELD_BACK; i++) {
        void *memory = atomic_exchange(&mapping->held_back[i], NULL);
        if (memory) {
            munmap(memory, WINDOW_BYTES);
            atomic_store(&mapping->is_short, true);
            return true;
        }
    }
    return false;
}

/* ---- a further window */

static void *map_file(const struct mapping *mapping, void *at, uint64_t offset, uint64_t bytes)
{
    /* Shared file pages are charged when committed, never by the size of the range. */
    return mmap(at, bytes, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_NORESERVE | (at ? MAP_FIXED_NOREPLACE : 0), mapping->file.fd,
                (off_t)offset);
}

/* The last mapped page that begins below *offset*, which is not in the first window. */
static uint64_t page_below(const struct mapping *mapping, uint64_t offset)
{
    uint64_t window = (offset - 1) >> WINDOW_BITS;
    while (!is_mapped(mapping, window))
        window--; /* the first one always is */
    return ((window + 1) << WINDOW_BITS) - mapping->page_bytes;
}

/* A mapping of the page at *offset*, without a descriptor. A shared mapping that mremap() is to
 * extend from an old size of 0 is mapped once more, as long as wanted: so from a page that is
 * mapped one gets to later ones, in steps as large as there is room for. Source: mremap(2). */
static char *map_page(const struct mapping *mapping, uint64_t offset)
{
    uint64_t page = mapping->page_bytes, at = page_below(mapping, offset), step = offset - at;
    char *first = mapping->base + at, *here = first;
    while (at < offset) {
        step = step < offset - at ? step : offset - at;
        char *longer = mremap(here, 0, step + page, MREMAP_MAYMOVE);
        if (longer == MAP_FAILED) {
            step = step / 2 & ~(page - 1);
            if (step >= page)
                continue;
            if (here != first)
                munmap(here, page);
            return NULL;
        }
        munmap(longer, step);
        if (here != first)
            munmap(here, page);
        here = longer + step;
        at += step;
    }
    return here;
}

static bool map_without_file(const struct mapping *mapping, uint64_t from, uint64_t to)
{
    char *at = mapping->base + from, *page = map_page(mapping, from);
    if (page == NULL)
        return false;
    /* Asks first whether the range is free: mremap would replace what another part of the program
     * has there. */
    char *free = mmap(at, to - from, PROT_NONE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE, -1, 0);
    if (free != MAP_FAILED)
        munmap(free, to - from);
    bool done = free == at && mremap(page, 0, to - from, MREMAP_MAYMOVE | MREMAP_FIXED, at) == at;
    munmap(page, mapping->page_bytes);
    return done;
}

static bool map_windows(struct mapping *mapping, uint64_t from, uint64_t to)
{
    if (mapping->is_fixed)
        return false;
    if (!memory_file_is_open(&mapping->file)) {
        if (!map_without_file(mapping, from, to))
            return false;
    } else {
        void *at = mapping->base + from, *got = map_file(mapping, at, from, to - from);
        if (got != at) { /* older kernels take a range that is not free for a mere wish */
            if (got != MAP_FAILED)
                munmap(got, to - from);
            return false;
        }
    }
    note_mapped(mapping, from, to);
    return true;
}

/* The mutex is held. */
static bool reach_locked(struct mapping *mapping, uint64_t from, uint64_t to)
{
    uint64_t window = from >> WINDOW_BITS, end = (to + WINDOW_BYTES - 1) >> WINDOW_BITS;
    while (window < end) {
        uint64_t first = window;
        while (window < end && !is_mapped(mapping, window))
            window++;
        uint64_t stop = window << WINDOW_BITS;
        stop = stop < mapping->size ? stop : mapping->size;
        if (window > first && !map_windows(mapping, first << WINDOW_BITS, stop))
            return false;
        while (window < end && is_mapped(mapping, window))
            window++;
    }
    return true;
}

enum status mapping_reach_further(struct mapping *mapping, uint64_t from, uint64_t to)
{
    if (to > mapping->size || from > to)
        return STATUS_NO_MEMORY;
    lock();
    bool done = reach_locked(mapping, from, to);
    unlock();
    return done ? STATUS_OK : STATUS_NO_MEMORY;
}

bool mapping_must_reach(struct mapping *mapping, uint64_t offset)
{
    if (offset >= mapping->size)
        return false;
    if (is_mapped(mapping, offset >> WINDOW_BITS))
        return true;
    lock();
    bool done;
    do
        done = reach_locked(mapping, offset, offset + 1);
    while (!done && use_held_back(mapping));
    unlock();
    return done;
}

void mapping_require(const struct mapping *mapping, uint64_t offset)
{
    /* Which windows are mapped is no part of the mapping that callers see. */
    if (mapping_must_reach((struct mapping *)mapping, offset))
        return;
    static const char text[] = "procession: this process is out of address space (RLIMIT_AS) and "
                               "cannot map shared memory that its family uses; raise the limit\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written; /* nothing else can be told */
    abort();
}

/* ---- the first window */

static uint64_t wished_base(void)
{
    static atomic_uint next;
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) != sizeof random)
        random = 0; /* any place in the part will do */
    uint64_t start = random % (PART_BYTES / 2) & ~(WINDOW_BYTES - 1);
    return FIRST_PART + atomic_fetch_add(&next, 1) % PARTS * PART_BYTES + start;
}

uint64_t mapping_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY ? UINT64_MAX
                                                                                : limit.rlim_cur;
}

/* How much one range may have where windows cannot be added. */
static uint64_t range_bytes(const struct mapping *mapping)
{
    uint64_t limit = mapping_limit();
    if (limit == UINT64_MAX)
        return mapping->size;
    uint64_t bytes = limit / 100 > 6 * WINDOW_BYTES ? limit / 100 : 6 * WINDOW_BYTES;
    return bytes < mapping->size ? bytes & ~(WINDOW_BYTES - 1) : mapping->size;
}

/* See Fallback. */
static enum status map_range(struct mapping *mapping)
{
    uint64_t bytes = range_bytes(mapping);
    void *base;
    while ((base = map_file(mapping, NULL, 0, bytes)) == MAP_FAILED && bytes > WINDOW_BYTES)
        bytes = bytes / 2 > WINDOW_BYTES ? bytes / 2 & ~(WINDOW_BYTES - 1) : WINDOW_BYTES;
    if (base == MAP_FAILED)
        return STATUS_NO_MEMORY;
    mapping->base = base;
    mapping->is_fixed = true;
    note_mapped(mapping, 0, bytes);
    return STATUS_OK;
}

static enum status map_first(struct mapping *mapping)
{
    uint64_t bytes = mapping->size < WINDOW_BYTES ? mapping->size : WINDOW_BYTES;
    for (int i = 0; i < ATTEMPTS; i++) {
        char *wish = (char *)(uintptr_t)wished_base();
        void *got = map_file(mapping, wish, 0, bytes);
        if (got == wish) {
            mapping->base = wish;
            note_mapped(mapping, 0, bytes);
            mapping_hold_back(mapping);
            return STATUS_OK;
        }
        if (got != MAP_FAILED)
            munmap(got, bytes);
        else if (errno != EEXIST)
            break;
    }
    return map_range(mapping);
}

/* Without a file of that size (RLIMIT_FSIZE): memory that has no descriptor. It is mapped whole for
 * a moment, since that is how it gets its size. */
static enum status map_anonymous(struct mapping *mapping)
{
    char *wish = (char *)(uintptr_t)wished_base(), *got;
    uint64_t size = mapping->size;
    while ((got = mmap(wish, size, PROT_READ | PROT_WRITE,
                       MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)) == MAP_FAILED)
        if ((size = size / 2 & ~(mapping->page_bytes - 1)) < WINDOW_BYTES)
            return STATUS_NO_MEMORY;
    mapping->base = got;
    mapping->size = size;
    mapping->file.fd = -1;
    mapping->is_fixed = got != wish;
    uint64_t kept = mapping->is_fixed || size < WINDOW_BYTES ? size : WINDOW_BYTES;
    if (kept < size)
        munmap(got + kept, size - kept);
    note_mapped(mapping, 0, kept);
    mapping_hold_back(mapping);
    return STATUS_OK;
}

static void begin(struct mapping *mapping, uint64_t size)
{
    memset(mapping, 0, sizeof *mapping);
    mapping->page_bytes = (uint64_t)sysconf(_SC_PAGESIZE);
    size = round_up(size, mapping->page_bytes);
    mapping->size = size < MAPPING_LARGEST ? size : MAPPING_LARGEST;
}

enum status mapping_create(struct mapping *mapping, uint64_t size)
{
    begin(mapping, size);
    enum status status = memory_file_create(&mapping->file, mapping->size);
    if (status == STATUS_SYSTEM && errno == EFBIG) {
        if (memory_file_limit() < SMALLEST_FILE)
            return map_anonymous(mapping);
        mapping->size = memory_file_limit() & ~(mapping->page_bytes - 1);
        status = memory_file_create(&mapping->file, mapping->size);
    }
    if (status == STATUS_OK && (status = map_first(mapping)) != STATUS_OK)
        memory_file_close(&mapping->file);
    return status;
}

enum status mapping_open(struct mapping *mapping, int fd, uint64_t size)
{
    begin(mapping, size);
    enum status status = memory_file_from(&mapping->file, fd);
    return status == STATUS_OK ? map_first(mapping) : status;
}

void mapping_close(struct mapping *mapping)
{
    for (uint64_t at = 0; at < mapping->size; at += WINDOW_BYTES)
        if (is_mapped(mapping, at >> WINDOW_BITS))
            munmap(mapping->base + at,
                   mapping->size - at < WINDOW_BYTES ? mapping->size - at : WINDOW_BYTES);
    for (unsigned i = 0; i < HELD_BACK; i++)
        if (mapping->held_back[i])
            munmap(mapping->held_back[i], WINDOW_BYTES);
    memory_file_close(&mapping->file);
}
