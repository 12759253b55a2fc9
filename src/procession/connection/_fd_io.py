"""Reading and writing an exact number of bytes at a descriptor.

Idea: few system calls and copies: the parts of a message are written with one writev(2), and a
large message is read straight into the object that is returned.

Invariant: a function here reads exactly the bytes it was asked for and none beyond, as the
descriptor may have other readers. A message that was begun is finished, also on a descriptor that
does not block.

Layer: ipc; imports the base layer only.
"""

from __future__ import annotations

import os
import select
from io import BufferedReader, FileIO

from .._base.poll import wait_events

# The most buffers of one writev(2) (IOV_MAX on Linux).
_MAX_BUFFERS = 1024

# A message of up to so many bytes mostly arrives with one read: a pipe holds twice that.
_ONE_READ_BYTES = 32768


def read(fd: int, size: int, begun: bool = False) -> bytes:
    """Read *size* bytes from *fd*, waiting for them.

    Args:
        begun: part of the message was read before.
    Raises:
        EOFError: the other end was closed, and nothing of the message was read.
        OSError: it was closed in the middle of a message.
    """
    data = b""
    if size <= _ONE_READ_BYTES:
        try:
            data = os.read(fd, size)
        except BlockingIOError:
            if not begun:
                raise
        else:
            if len(data) == size:
                return data
            if not data:
                raise _end_error(begun)
    rest = _read_blocks(fd, size - len(data))
    if len(data) + len(rest) == size:
        return data + rest if data else rest
    raise _end_error(begun or bool(data or rest))


def _end_error(begun: bool) -> Exception:
    return OSError("got end of file during message") if begun else EOFError()


def _read_blocks(fd: int, size: int) -> bytes:
    """Read *size* bytes, fewer only at the end of the stream.

    A reader with a buffer of one byte reads straight into its result, without a copy, and never
    further than it was asked to.
    """
    with FileIO(fd, closefd=False) as raw, BufferedReader(raw, buffer_size=1) as reader:
        parts = []
        while size:
            data: bytes | None = reader.read(size)
            if data is None:  # the descriptor does not block; a message, once begun, is waited for
                wait_events(fd, select.POLLIN)
                continue
            if not data:
                break
            parts.append(data)
            size -= len(data)
    return parts[0] if len(parts) == 1 else b"".join(parts)


def read_into(fd: int, target: memoryview) -> None:
    """Fill *target* with the bytes of a message.

    Raises:
        OSError: the other end was closed before *target* was full.
    """
    while target:
        try:
            count = os.readv(fd, [target])
        except BlockingIOError:
            wait_events(fd, select.POLLIN)
            continue
        if not count:
            raise OSError("got end of file during message")
        target = target[count:]


def write(fd: int, parts: list[bytes | bytearray | memoryview], begun: bool = False) -> None:
    """Write all of *parts*, one after the other, to *fd*, waiting while it is full.

    Args:
        begun: part of the message was written before.
    Raises:
        BrokenPipeError: the other end is closed.
        BlockingIOError: the descriptor does not block, it is full, and nothing was written.
    """
    left = [view for view in (memoryview(part).cast("B") for part in parts) if view]
    while left:
        try:
            count = os.writev(fd, left[:_MAX_BUFFERS])
        except BlockingIOError:
            if not begun:
                raise
            wait_events(fd, select.POLLOUT)
            continue
        begun = True
        done = 0
        while done < len(left) and count >= len(left[done]):
            count -= len(left[done])
            done += 1
        del left[:done]
        if count:
            left[0] = left[0][count:]
