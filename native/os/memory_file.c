#include "memory_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FIRST_DESCRIPTOR = 64 }; /* out of the way of programs that dup2 onto small numbers */

enum status memory_file_from(struct memory_file *file, int fd)
{
    struct stat now;
    if (fstat(fd, &now) != 0)
        return STATUS_SYSTEM;
    *file = (struct memory_file){fd, now.st_dev, now.st_ino};
    return STATUS_OK;
}

/* Sets the size, which RLIMIT_FSIZE would forbid, with the limit raised for that moment: by the
 * hard limit's leave, or by a privilege. The limit is meant for files on disks. A file that has its
 * size is never held against the limit again. */
static bool set_size(int fd, uint64_t size)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit) != 0)
        return false;
    bool is_limited = limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < size;
    if (is_limited) { /* not tried under the limit: that would raise SIGXFSZ */
        struct rlimit soft = {limit.rlim_max, limit.rlim_max};
        struct rlimit none = {RLIM_INFINITY, RLIM_INFINITY};
        bool hard_suffices = limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= size;
        if (setrlimit(RLIMIT_FSIZE, hard_suffices ? &soft : &none) != 0) {
            errno = EFBIG;
            return false;
        }
    }
    int result = ftruncate(fd, (off_t)size), error = errno;
    if (is_limited)
        setrlimit(RLIMIT_FSIZE, &limit);
    errno = error;
    return result == 0;
}

uint64_t memory_file_limit(void)
{
    struct rlimit limit;
    return getrlimit(RLIMIT_FSIZE, &limit) != 0 || limit.rlim_max == RLIM_INFINITY ? UINT64_MAX
                                                                                   : limit.rlim_max;
}

enum status memory_file_create(struct memory_file *file, uint64_t size)
{
    int fd = memfd_create("procession", MFD_CLOEXEC);
    if (fd < 0)
        return STATUS_SYSTEM;
    int high = fcntl(fd, F_DUPFD_CLOEXEC, FIRST_DESCRIPTOR);
    if (high >= 0) {
        close(fd);
        fd = high;
    }
    if (set_size(fd, size) && memory_file_from(file, fd) == STATUS_OK)
        return STATUS_OK;
    int error = errno;
    close(fd);
    errno = error;
    return STATUS_SYSTEM;
}

/* Written through a mapping: the limit holds for write(2) even below the file's size. */
enum status memory_file_create_with(struct memory_file *file, const void *data, uint64_t size)
{
    enum status status = memory_file_create(file, size);
    if (status != STATUS_OK || size == 0)
        return status;
    bool done = fallocate(file->fd, 0, 0, (off_t)size) == 0;
    void *memory = MAP_FAILED;
    if (done)
        memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, file->fd, 0);
    if (memory == MAP_FAILED) {
        int error = errno;
        memory_file_close(file);
        errno = error;
        return STATUS_SYSTEM;
    }
    memcpy(memory, data, size);
    munmap(memory, size);
    return STATUS_OK;
}

bool memory_file_is_open(const struct memory_file *file)
{
    struct stat now;
    return file->fd >= 0 && fstat(file->fd, &now) == 0 && (uint64_t)now.st_dev == file->device &&
           (uint64_t)now.st_ino == file->inode;
}

void memory_file_close(struct memory_file *file)
{
    if (memory_file_is_open(file))
        close(file->fd);
    file->fd = -1;
}
