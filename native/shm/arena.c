#include "arena.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../crash_point.h"
#include "../os/liveness.h"
#include "../os/pages.h"
#include "journal.h"

static uint64_t header_bytes(const struct mapping *mapping)
{
    return round_up(sizeof(struct arena_header), mapping->page_bytes);
}
_Static_assert(sizeof(struct arena_header) < WINDOW_BYTES / 2, "the first window has the header");

static void fill_header(struct arena *arena)
{
    struct arena_header *header = arena->header;
    uint64_t bytes = header_bytes(&arena->mapping);
    header->version = LAYOUT_VERSION;
    header->header_bytes = (uint32_t)bytes;
    header->reserve = arena->mapping.size;
    header->page_bytes = arena->mapping.page_bytes;
    header->pid_namespace = process_pid_namespace();
    mutex_init(&header->mutex);
    atomic_store(&header->top, bytes);
    atomic_store(&header->committed, bytes);
    header->magic = ARENA_MAGIC;
}

enum status arena_create(struct arena *arena, uint64_t reserve)
{
    memset(arena, 0, sizeof *arena);
    enum status status = mapping_create(&arena->mapping, reserve);
    if (status != STATUS_OK)
        return status;
    status = pages_commit(&arena->mapping, 0, header_bytes(&arena->mapping));
    if (status == STATUS_OK) {
        arena->header = (struct arena_header *)arena->mapping.base;
        if (getrandom(arena->header->id, sizeof arena->header->id, 0) !=
            (ssize_t)sizeof arena->header->id)
            status = STATUS_SYSTEM;
    }
    if (status != STATUS_OK)
        mapping_close(&arena->mapping);
    else
        fill_header(arena);
    return status;
}

/* As struct arena_header begins. */
struct start {
    uint64_t magic;
    uint32_t version, header_bytes;
    uint8_t id[16];
    uint64_t reserve, page_bytes;
};
_Static_assert(offsetof(struct arena_header, page_bytes) == offsetof(struct start, page_bytes), "");

/* How large the arena behind *fd* is. */
static enum status read_reserve(int fd, uint64_t *reserve)
{
    struct start start;
    ssize_t size = pread(fd, &start, sizeof start, 0);
    if (size < 0)
        return STATUS_SYSTEM;
    if (size != sizeof start || start.magic != ARENA_MAGIC || start.version != LAYOUT_VERSION ||
        start.page_bytes != (uint64_t)sysconf(_SC_PAGESIZE) || start.reserve > MAPPING_LARGEST)
        return STATUS_CORRUPT;
    *reserve = start.reserve;
    return STATUS_OK;
}

enum status arena_open(struct arena *arena, int fd)
{
    memset(arena, 0, sizeof *arena);
    uint64_t reserve;
    enum status status = read_reserve(fd, &reserve);
    if (status == STATUS_OK)
        status = mapping_open(&arena->mapping, fd, reserve);
    if (status == STATUS_OK)
        arena->header = (struct arena_header *)arena->mapping.base;
    return status;
}

bool arena_reopened(struct arena *arena, int fd)
{
    struct start start;
    return pread(fd, &start, sizeof start, 0) == sizeof start &&
           memcmp(start.id, arena->header->id, sizeof start.id) == 0 &&
           memory_file_from(&arena->mapping.file, fd) == STATUS_OK;
}

void arena_close(struct arena *arena)
{
    mapping_close(&arena->mapping);
    arena->header = NULL;
}

/* ---- the mutex */

void arena_lock(struct arena *arena)
{
    if (__builtin_expect(atomic_load_explicit(&arena->mapping.is_short, memory_order_relaxed), 0))
        mapping_hold_back(&arena->mapping);
    struct mutex *mutex = &arena->header->mutex;
    if (mutex_lock(mutex) == MUTEX_ABANDONED) {
        journal_repair(arena);
        CRASH_POINT("arena.repaired");
        mutex_repaired(mutex);
    }
    journal_begin(arena);
}

void arena_unlock(struct arena *arena)
{
    mutex_unlock(&arena->header->mutex);
}

void arena_let_others(struct arena *arena)
{
    mutex_unlock_to_waiters(&arena->header->mutex);
    CRASH_POINT("arena.let_others");
    arena_lock(arena);
}
