/* The pages of a mapped file: backed by memory, and given back.
 *
 * Idea      The file itself is asked (fallocate), which needs nothing mapped. Without a descriptor
 *           the mapping is asked instead (MADV_POPULATE_WRITE); that takes longer, since each page
 *           is also entered into this process's tables. Invariant Committed bytes are backed by
 *           pages, so an access to them cannot raise SIGBUS: a full memory shows as
 *           STATUS_NO_MEMORY, when they are committed. */
#ifndef PROCESSION_OS_PAGES_H
#define PROCESSION_OS_PAGES_H

#include "mapping.h"

/* Backs [from, to) with pages. Does no harm when repeated. */
enum status pages_commit(struct mapping *mapping, uint64_t from, uint64_t to);
/* Gives back the pages that lie whole in [from, to); they read as zero until they are committed
 * again. */
void pages_discard(struct mapping *mapping, uint64_t from, uint64_t to);

#endif
