/* A library to be preloaded: the machine has pages of $PAGE_BYTES bytes, as far as sysconf() and
 * madvise() show it. As the kernel does, madvise() wants a range to begin on a page, and rounds its
 * length up to whole pages. */
#include <dlfcn.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

static size_t page_bytes(void)
{
    const char *text = getenv("PAGE_BYTES");
    return text ? strtoul(text, NULL, 10) : 4096;
}

__attribute__((visibility("default"))) long sysconf(int name)
{
    long (*real)(int) = (long (*)(int))dlsym(RTLD_NEXT, "sysconf");
    return name == _SC_PAGESIZE ? (long)page_bytes() : real(name);
}

__attribute__((visibility("default"))) int getpagesize(void)
{
    return (int)page_bytes();
}

__attribute__((visibility("default"))) int madvise(void *start, size_t bytes, int advice)
{
    int (*real)(void *, size_t, int) = (int (*)(void *, size_t, int))dlsym(RTLD_NEXT, "madvise");
    if ((uintptr_t)start % page_bytes() != 0) {
        errno = EINVAL;
        return -1;
    }
    return real(start, (bytes + page_bytes() - 1) & ~(page_bytes() - 1), advice);
}
