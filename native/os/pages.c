#include "pages.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23 /* Linux 5.14 */
#endif

static enum status commit_file(const struct mapping *mapping, uint64_t from, uint64_t to)
{
    int result;
    do
        result = fallocate(mapping->file.fd, 0, (off_t)from, (off_t)(to - from));
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return STATUS_OK;
    return errno == ENOSPC || errno == ENOMEM || errno == EFBIG ? STATUS_NO_MEMORY : STATUS_SYSTEM;
}

/* Needs no descriptor, but takes longer: each page is also entered into this process's tables. */
static enum status commit_mapped(struct mapping *mapping, uint64_t from, uint64_t to)
{
    from &= ~(mapping->page_bytes - 1); /* fallocate does so by itself */
    to = round_up(to, mapping->page_bytes);
    enum status status = mapping_reach(mapping, from, to);
    if (status != STATUS_OK)
        return status;
    int result;
    do
        result = madvise(mapping->base + from, to - from, MADV_POPULATE_WRITE);
    while (result != 0 && errno == EINTR);
    if (result == 0)
        return STATUS_OK;
    if (errno == ENOMEM || errno == EFAULT) /* EFAULT: an access would raise SIGBUS */
        return STATUS_NO_MEMORY;
    errno = EBADF; /* a kernel before 5.14 needs the descriptor */
    return STATUS_SYSTEM;
}

enum status pages_commit(struct mapping *mapping, uint64_t from, uint64_t to)
{
    if (to > mapping->size)
        return STATUS_NO_MEMORY;
    return memory_file_is_open(&mapping->file) ? commit_file(mapping, from, to)
                                               : commit_mapped(mapping, from, to);
}

void pages_discard(struct mapping *mapping, uint64_t from, uint64_t to)
{
    /* The kernel rounds a length up: the range must not reach into a page of another's. */
    from = round_up(from, mapping->page_bytes);
    to &= ~(mapping->page_bytes - 1);
    if (from >= to)
        return;
    /* A failure keeps the pages, which wastes memory and breaks nothing. */
    if (to <= atomic_load(&mapping->reach))
        madvise(mapping->base + from, to - from, MADV_REMOVE);
    else if (memory_file_is_open(&mapping->file)) /* needs no mapping of what lies there */
        fallocate(mapping->file.fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
                  (off_t)(to - from));
}
