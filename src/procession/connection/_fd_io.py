"""Reading and writing exactly so many bytes at a descriptor.

Idea: as few system calls and copies as can be: a message's parts are written with one writev(2),
a large message is read straight into the object that is returned.

Invariant: a function here reads exactly what it was asked for and not one byte more: the
descriptor may have other readers. Once a message was begun it is finished, also on a descriptor
that does not block.

Layer: ipc; imports the base layer only.
"""

from __future__ import annotations

import errno
import os
import select
from io import BufferedReader, FileIO

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .._base.deadline import Deadline

# What writev(2) takes at once (IOV_MAX on Linux).
_MOST_PARTS = 1024

# Up to here a message mostly arrives with one read: a pipe holds twice that.
ONE_READ = 32768


def read(fd: int, size: int, begun: bool = False) -> bytes:
    """Read *size* bytes from *fd*, waiting for them.

    Args:
        begun: part of the message was read before.
    Raises:
        EOFError: the other side had closed, and nothing of the message was read.
        OSError: it closed in the middle of a message.
    """
    data = b""
    if size <= ONE_READ:
        try:
            data = os.read(fd, size)
        except BlockingIOError:
            if not begun:
                raise
        else:
            if len(data) == size:
                return data
            if not data:
                raise _end_of_stream(begun)
    rest = _read_blocks(fd, size - len(data))
    if len(data) + len(rest) == size:
        return data + rest if data else rest
    raise _end_of_stream(begun or bool(data or rest))


def _end_of_stream(begun: bool) -> Exception:
    return OSError("got end of file during message") if begun else EOFError()


def _read_blocks(fd: int, size: int) -> bytes:
    """Read *size* bytes, fewer only at the end of the stream.

    A buffer of one byte makes a reader that reads straight into its result, without any copy, and
    never further than asked.
    """
    with FileIO(fd, closefd=False) as raw, BufferedReader(raw, buffer_size=1) as reader:
        parts = []
        while size:
            data: bytes | None = reader.read(size)
            if data is None:  # the descriptor does not block; a message, once begun, is waited for
                await_events(fd, select.POLLIN)
                continue
            if not data:
                break
            parts.append(data)
            size -= len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_into(fd: int, target: memoryview) -> None:
    """Fill *target* with the bytes of a message.

    Raises:
        OSError: the other side closed before it was full.
    """
    while target:
        try:
            count = os.readv(fd, [target])
        except BlockingIOError:
            await_events(fd, select.POLLIN)
            continue
        if not count:
            raise OSError("got end of file during message")
        target = target[count:]


def write(fd: int, parts: list[bytes | bytearray | memoryview], begun: bool = False) -> None:
    """Write all of *parts*, one after the other, to *fd*, waiting while it is full.

    Args:
        begun: part of the message was written before.
    Raises:
        BrokenPipeError: the other side closed.
        BlockingIOError: the descriptor does not block, it is full, and nothing was written.
    """
    left = [view for view in (memoryview(part).cast("B") for part in parts) if view]
    while left:
        try:
            count = os.writev(fd, left[:_MOST_PARTS])
        except BlockingIOError:
            if not begun:
                raise
            await_events(fd, select.POLLOUT)
            continue
        begun = True
        done = 0
        while done < len(left) and count >= len(left[done]):
            count -= len(left[done])
            done += 1
        del left[:done]
        if count:
            left[0] = left[0][count:]


def await_events(fd: int, events: int, timeout_ms: int | None = None) -> int:
    """Wait with poll(2) until one of *events* is there at *fd*.

    Returns:
        What is there (errors and the end of the stream included); 0 when the time was over.
    Raises:
        OSError: *fd* is not an open descriptor.
    """
    poller = select.poll()
    poller.register(fd, events)
    for _, there in poller.poll(timeout_ms):
        if there & select.POLLNVAL:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return there
    return 0


def await_readable(fd: int, deadline: Deadline) -> bool:
    """Wait until *fd* can be read or its stream has ended.

    Returns:
        False when *deadline* was over before.
    Raises:
        OSError: *fd* is not an open descriptor.
    """
    while not await_events(fd, select.POLLIN, deadline.remaining_ms()):
        if deadline.expired:
            return False
    return True
