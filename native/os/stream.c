#include "stream.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- without waiting */

/* The first call that fails so shows that the descriptor is no socket. */
static bool is_no_socket(enum stream_kind *kind)
{
    if (errno != ENOTSOCK)
        return false;
    *kind = STREAM_PIPE;
    return true;
}

/* After a call with RWF_NOWAIT has failed. The offset -1 means none: these files have no
 * position. */
static ssize_t unless_blocking(enum stream_kind *kind, ssize_t result)
{
    if (result < 0 && (errno == EOPNOTSUPP || errno == ENOSYS || errno == ESPIPE)) {
        *kind = STREAM_BLOCKING;
        errno = EAGAIN;
    }
    return result;
}

static ssize_t would_wait(void)
{
    errno = EAGAIN;
    return -1;
}

ssize_t stream_try_read(enum stream_kind *kind, int fd, void *buffer, size_t size)
{
    if (*kind == STREAM_UNKNOWN || *kind == STREAM_SOCKET) {
        ssize_t result = recv(fd, buffer, size, MSG_DONTWAIT);
        if (result >= 0 && *kind == STREAM_UNKNOWN)
            *kind = STREAM_SOCKET;
        if (result >= 0 || !is_no_socket(kind))
            return result;
    }
    if (*kind == STREAM_BLOCKING)
        return would_wait();
    struct iovec part = {.iov_base = buffer, .iov_len = size};
    return unless_blocking(kind, preadv2(fd, &part, 1, -1, RWF_NOWAIT));
}

ssize_t stream_try_write(enum stream_kind *kind, int fd, const struct iovec *parts, int count)
{
    if (*kind == STREAM_UNKNOWN || *kind == STREAM_SOCKET) {
        struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
        ssize_t result = sendmsg(fd, &message, MSG_DONTWAIT);
        if (result >= 0 && *kind == STREAM_UNKNOWN)
            *kind = STREAM_SOCKET;
        if (result >= 0 || !is_no_socket(kind))
            return result;
    }
    if (*kind == STREAM_BLOCKING)
        return would_wait();
    return unless_blocking(kind, pwritev2(fd, parts, count, -1, RWF_NOWAIT));
}

/* ---- waiting */

ssize_t stream_read(int fd, void *buffer, size_t size)
{
    return read(fd, buffer, size);
}

ssize_t stream_write(int fd, const struct iovec *parts, int count)
{
    return writev(fd, parts, count);
}

/* ---- looking */

bool stream_is_readable(int fd)
{
    struct pollfd look = {.fd = fd, .events = POLLIN};
    return poll(&look, 1, 0) != 0;
}

bool stream_is_drained(enum stream_kind kind, int fd)
{
    /* A Unix socket counts what it has sent until the other end has read it; the two ends of a pipe
     * are one buffer. */
    int left;
    unsigned long question = kind == STREAM_SOCKET ? SIOCOUTQ : FIONREAD;
    return kind != STREAM_UNKNOWN && ioctl(fd, question, &left) == 0 && left == 0;
}
