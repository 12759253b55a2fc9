/* A memory file: its size, its identity, its descriptor.
 *
 * Idea      A memfd has no name, so nothing is left in the file system, and the kernel frees it
 *           with the last process that maps it. Its size is set once, at creation; after that no
 *           limit of file sizes matters (RLIMIT_FSIZE holds for growth only).
 * Invariant The descriptor is used only while it is the same file (device, inode) as at first: a
 *           program may close every descriptor, and the next file gets the number. */
#ifndef PROCESSION_OS_MEMORY_FILE_H
#define PROCESSION_OS_MEMORY_FILE_H

#include <stdbool.h>
#include <stdint.h>

#include "../status.h"

struct memory_file {
    int fd; /* -1: there never was one */
    uint64_t device, inode;
};

/* A new file of *size* bytes. STATUS_SYSTEM with EFBIG: RLIMIT_FSIZE does not allow that size. */
enum status memory_file_create(struct memory_file *file, uint64_t size);
/* The largest size that RLIMIT_FSIZE allows. */
uint64_t memory_file_limit(void);
/* The same, with *size* bytes of *data* in it. */
enum status memory_file_create_with(struct memory_file *file, const void *data, uint64_t size);
/* Takes *fd* over. */
enum status memory_file_from(struct memory_file *file, int fd);
bool memory_file_is_open(const struct memory_file *file);
void memory_file_close(struct memory_file *file);

#endif
