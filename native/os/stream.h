/* A stream of bytes behind a descriptor: a socket or a pipe, read and written without waiting.
 *
 * Idea   Whether a call waits is decided call by call, since the descriptor's own mode belongs to
 *        all processes that share it. Sockets know MSG_DONTWAIT, pipes RWF_NOWAIT (from Linux 6.4
 *        on; elsewhere, and with other files, no call can avoid to wait: STREAM_BLOCKING). */
#ifndef PROCESSION_OS_STREAM_H
#define PROCESSION_OS_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Known after the first call that asks the kernel. */
enum stream_kind { STREAM_UNKNOWN, STREAM_SOCKET, STREAM_PIPE, STREAM_BLOCKING };

/* Whether stream_try_*() can succeed. */
static inline bool stream_can_try(enum stream_kind kind)
{
    return kind != STREAM_BLOCKING;
}

/* Like read(2) and writev(2), but with EAGAIN where those would wait. */
ssize_t stream_try_read(enum stream_kind *kind, int fd, void *buffer, size_t size);
ssize_t stream_try_write(enum stream_kind *kind, int fd, const struct iovec *parts, int count);

/* Like read(2) and writev(2). */
ssize_t stream_read(int fd, void *buffer, size_t size);
ssize_t stream_write(int fd, const struct iovec *parts, int count);

/* Whether a read would not wait: there are bytes, or the end, or an error. */
bool stream_is_readable(int fd);

/* Whether all bytes ever written at this end of a pipe or a pair of Unix sockets have been read at
 * the other end. False also when that is not known. */
bool stream_is_drained(enum stream_kind kind, int fd);

#endif
