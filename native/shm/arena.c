#include "arena.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "../crash_point.h"
#include "journal.h"

#define HEADER_BYTES ((sizeof(struct arena_header) + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1))

static void fill_header(struct arena *arena)
{
    struct arena_header *header = arena->header;
    header->version = LAYOUT_VERSION;
    header->header_bytes = HEADER_BYTES;
    header->reserve = arena->mapping.reserve;
    mutex_init(&header->mutex);
    atomic_store(&header->top, HEADER_BYTES);
    atomic_store(&header->committed, HEADER_BYTES);
    header->magic = ARENA_MAGIC;
}

enum status arena_create(struct arena *arena, uint64_t reserve)
{
    memset(arena, 0, sizeof *arena);
    enum status status = mapping_create(&arena->mapping, reserve);
    if (status != STATUS_OK)
        return status;
    status = mapping_commit(&arena->mapping, 0, HEADER_BYTES);
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

/* How large a range the arena behind *fd* needs. */
static enum status read_reserve(int fd, uint64_t *reserve)
{
    struct {
        uint64_t magic;
        uint32_t version, header_bytes;
        uint8_t id[16];
        uint64_t reserve;
    } start; /* as struct arena_header begins */
    ssize_t size = pread(fd, &start, sizeof start, 0);
    if (size < 0)
        return STATUS_SYSTEM;
    if (size != sizeof start || start.magic != ARENA_MAGIC || start.version != LAYOUT_VERSION ||
        start.header_bytes != HEADER_BYTES)
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
    arena->header = (struct arena_header *)arena->mapping.base;
    return status;
}

void arena_close(struct arena *arena)
{
    mapping_close(&arena->mapping);
    arena->header = NULL;
}

/* ---- the mutex */

void arena_lock(struct arena *arena)
{
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
