"""A connection over a descriptor: a pipe or a socket.

Idea: header and body of a message go out with one system call, uncopied where they are large; a
small message comes in with two, of which neither reads ahead, so `select`, asyncio and processes
that share the descriptor always see the truth.

Invariant: see `_descriptor` (exact reads) and `_base` (whole messages).

Layer: ipc; imports the base layer and `reduction`.
"""

from __future__ import annotations

import _socket  # the pair of descriptors is all that is needed; `socket` takes long to import
import os
import select

from .._deadline import Deadline
from . import _descriptor, _wire
from ._base import _ConnectionBase

TYPE_CHECKING = False  # as the type checkers know it; importing typing is not cheap
if TYPE_CHECKING:
    from typing import Any

    from ..reduction._pickler import Piece

# Bound once: the small message is what this module is made for, and each look-up shows.
_pack = _wire.SHORT_HEADER.pack
_unpack = _wire.SHORT_HEADER.unpack
_os_read = os.read
_os_write = os.write
_os_close = os.close
_ONE_READ = _descriptor.ONE_READ

# Up to here copying a message behind its header is cheaper than a vector of two buffers.
_ONE_WRITE = 16384


class Connection(_ConnectionBase):
    """One end of a pipe or of a socket: messages go through its descriptor.

    Args, Raises: as for the base class.
    """

    def _send_parts(self, parts: list[Piece]) -> None:
        fd = self._handle
        if len(parts) != 1 or len(parts[0]) > _ONE_WRITE or fd is None:
            super()._send_parts(parts)
            return
        frame = _pack(len(parts[0])) + parts[0]
        count = _os_write(fd, frame)
        if count != len(frame):
            self._write_rest(frame, count)

    def _write_rest(self, frame: bytes, count: int) -> None:
        """Write what is missing of a message of which *count* bytes were written."""
        try:
            _descriptor.write(self._target(), [memoryview(frame)[count:]], begun=True)
        except BaseException:
            self.close()
            raise

    def _recv_bytes(self, maxsize: int | None = None) -> bytes:
        fd = self._handle
        assert fd is not None
        short_header = _os_read(fd, 4)
        if len(short_header) != 4:
            short_header = self._rest_of_header(short_header)
        (size,) = _unpack(short_header)
        if not 0 < size <= _ONE_READ or maxsize is not None:
            return self._recv_body(self._recv_size(short_header), maxsize)
        try:
            body = _os_read(fd, size)
            if len(body) != size:
                body += _descriptor.read(fd, size - len(body), begun=True)
        except BlockingIOError:
            return self._read_begun(size)
        except BaseException as error:
            self._cut_short(error)
            raise
        return body

    def _rest_of_header(self, start: bytes) -> bytes:
        """All four bytes of a header of which *start* arrived."""
        if start:
            return start + self._read_begun(4 - len(start))
        raise EOFError

    # ---------------------------------------------------------------------------- the primitives

    def _close(self, close: Any = _os_close) -> None:  # bound early: __del__ may run at shutdown
        close(self._handle)

    def _write(self, parts: list[Piece]) -> None:
        _descriptor.write(self._target(), parts)

    def _read(self, size: int, begun: bool) -> bytes:
        return _descriptor.read(self._open_handle(), size, begun)

    def _read_into(self, target: memoryview) -> None:
        _descriptor.read_into(self._open_handle(), target)

    def _poll(self, timeout: float | None) -> bool:
        fd = self._open_handle()
        if timeout is not None and timeout <= 0:
            return _descriptor.await_events(fd, select.POLLIN, 0) != 0
        return _descriptor.await_readable(fd, Deadline(timeout))


# -------------------------------------------------------------------------------------------- pipes


def Pipe(duplex: bool = True) -> tuple[Connection, Connection]:
    """Return the two ends of a new pipe.

    Args:
        duplex: both ends can send and receive; else the first receives and the second sends.
    """
    if not duplex:
        reader, writer = os.pipe()
        return Connection(reader, writable=False), Connection(writer, readable=False)
    first, second = _socket.socketpair()
    first.setblocking(True)  # a default timeout for sockets is not meant for pipes
    second.setblocking(True)
    return Connection(first.detach()), Connection(second.detach())
