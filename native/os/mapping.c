#include "mapping.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_DESCRIPTOR = 64 }; /* out of the way of programs that dup2 onto small numbers */
#define SMALLEST_RESERVE (UINT64_C(64) << 20)

static enum status map_range(struct mapping *mapping, uint64_t reserve)
{
    /* Shared file pages are charged when committed, never by the size of the range. */
    void *base = mmap(NULL, reserve, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE,
                      mapping->fd, 0);
    if (base == MAP_FAILED)
        return STATUS_NO_MEMORY;
    madvise(base, reserve, MADV_DONTDUMP); /* a core dump of a worker must not copy the arena */
    mapping->base = base;
    mapping->reserve = reserve;
    return STATUS_OK;
}

static enum status remember_file(struct mapping *mapping)
{
    struct stat file;
    if (fstat(mapping->fd, &file) != 0)
        return STATUS_SYSTEM;
    mapping->device = file.st_dev;
    mapping->inode = file.st_ino;
    return STATUS_OK;
}

enum status mapping_create(struct mapping *mapping, uint64_t reserve)
{
    int fd = memfd_create("procession", MFD_CLOEXEC);
    if (fd < 0)
        return STATUS_SYSTEM;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
    if (high >= 0) {
        close(fd);
        fd = high;
    }
    mapping->fd = fd;
    enum status status = remember_file(mapping);
    if (status == STATUS_OK)
        do
            status = map_range(mapping, reserve);
        while (status != STATUS_OK && (reserve /= 2) >= SMALLEST_RESERVE);
    if (status != STATUS_OK)
        close(fd);
    return status;
}

enum status mapping_open(struct mapping *mapping, int fd, uint64_t reserve)
{
    mapping->fd = fd;
    enum status status = remember_file(mapping);
    return status == STATUS_OK ? map_range(mapping, reserve) : status;
}

void mapping_close(struct mapping *mapping)
{
    munmap(mapping->base, mapping->reserve);
    close(mapping->fd);
}

static bool is_our_file(const struct mapping *mapping)
{
    struct stat file;
    return fstat(mapping->fd, &file) == 0 && (uint64_t)file.st_dev == mapping->device &&
           (uint64_t)file.st_ino == mapping->inode;
}

enum status mapping_commit(struct mapping *mapping, uint64_t from, uint64_t to)
{
    if (to > mapping->reserve)
        return STATUS_NO_MEMORY;
    if (!is_our_file(mapping)) { /* the program closed every descriptor, as a daemon does */
        errno = EBADF;
        return STATUS_SYSTEM;
    }
    int result;
    do
        result = fallocate(mapping->fd, 0, (off_t)from, (off_t)(to - from));
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return STATUS_OK;
    return errno == ENOSPC || errno == ENOMEM || errno == EFBIG ? STATUS_NO_MEMORY : STATUS_SYSTEM;
}

void mapping_discard(struct mapping *mapping, uint64_t from, uint64_t to)
{
    /* A failure keeps the pages, which wastes memory and breaks nothing. */
    madvise(mapping->base + from, to - from, MADV_REMOVE);
}
