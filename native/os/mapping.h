/* One memory file, mapped whole, grown in place.
 *
 * Idea      A memfd has no name, so nothing is left in the file system, and the kernel frees it
 *           with the last process that maps it. The address range is reserved once; the file grows
 *           under it.
 * Invariant Bytes below the file's committed size are backed by real pages (fallocate), so an
 *           access cannot raise SIGBUS: memory pressure shows as STATUS_NO_MEMORY, at growth. */
#ifndef PROCESSION_OS_MAPPING_H
#define PROCESSION_OS_MAPPING_H

#include <stdint.h>

#include "../status.h"

struct mapping {
    char *base;
    uint64_t reserve; /* bytes of address space */
    int fd;
    uint64_t device, inode; /* of the file, since a program may close and reuse any descriptor */
};

/* A new memory file. *reserve* is halved until the address space has room. */
enum status mapping_create(struct mapping *mapping, uint64_t reserve);
/* Maps the file behind *fd*, which the mapping then owns. */
enum status mapping_open(struct mapping *mapping, int fd, uint64_t reserve);
void mapping_close(struct mapping *mapping);
/* Backs [from, to) with pages. Does no harm when repeated. */
enum status mapping_commit(struct mapping *mapping, uint64_t from, uint64_t to);
/* Gives the pages of [from, to) back; they read as zero until committed again. */
void mapping_discard(struct mapping *mapping, uint64_t from, uint64_t to);

#endif
