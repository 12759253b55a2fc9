"""A connection over a descriptor: a pipe or a socket.

Idea: to send or receive a small message is one call of the core. Its header and body are written
with one system call and read with two, and neither reads ahead: so `select`, asyncio and other
processes with the same descriptor see exactly what is left. If a receiver waits at the other end of
a `Pipe` at this moment, the message goes through shared memory instead
(native/channel/pipe_fastpath.h). What the core does not complete at once, mostly a large message,
is completed here.

Invariant: see `_fd_io` (exact reads), `_base` (whole messages) and pipe_fastpath.h (order).

Layer: ipc; imports the base layer, the core and `_pickling`.
"""

from __future__ import annotations

import _socket  # only for `socketpair`; `socket` takes long to import
import os
import pickle
import select

from .. import _core
from .._base.deadline import Deadline
from .._base.errors import BufferTooShort
from .._base.poll import wait_events, wait_readable
from .._pickling import core_hooks
from .._pickling.pickler import pickle_parts, with_explanation
from . import _fd_io, _framing
from ._base import _ConnectionBase

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, SupportsIndex

    from .._pickling.pickler import Part
    from ._async import PartialMessage, Waiter

    # What `PipeEnd.receive` returns for a message of which it has read only a part, see `_finish`.
    _Begun = int | tuple[int, bytes] | tuple[None, bytes]

core_hooks.give()

# Looked up once: for a small message the look-ups would cost a measurable part of the time.
_loads = pickle.loads
_dumps = pickle.dumps
_pack = _framing.SHORT_HEADER.pack
_unpack = _framing.SHORT_HEADER.unpack
_os_close = os.close

# Every pickler writes the same for these, so the quickest is used.
_SIMPLE_TYPES = frozenset((int, float, bool, type(None)))

# A message of up to so many bytes is sent by the core, in one write: see native/python/pipe_end.c.
_ONE_WRITE_BYTES = _core.ONE_WRITE_BYTES


class Connection(_ConnectionBase):
    """One end of a pipe or of a socket: messages go through its descriptor.

    Args, Raises: as for the base class.
    """

    _pipe_end: _core.PipeEnd | PartialMessage
    _waiter: Waiter | None = None  # of the task that is in `arecv`

    def __init__(self, handle: SupportsIndex, readable: bool = True, writable: bool = True):
        super().__init__(handle, readable, writable)
        self._pipe_end = _core.PipeEnd()

    # ---------------------------------------------------------------------------- small messages

    def send(self, obj: Any) -> None:
        if self._handle is None or not self._writable:  # a call for each message costs too much
            self._target()
        if type(obj) in _SIMPLE_TYPES:
            self._send_bytes(_dumps(obj))
            return
        try:
            parts = pickle_parts(obj)
        except (pickle.PicklingError, TypeError, AttributeError) as error:
            raise with_explanation(error, obj) from error
        if len(parts) == 1:
            self._send_bytes(parts[0])
        else:
            self._send_parts(parts)

    def recv(self) -> Any:
        if not self._readable:
            self._source()
        message = self._pipe_end.receive(self._handle)
        if not isinstance(message, bytes):
            message = self._finish(message)
        return _loads(message)

    async def arecv(self) -> Any:
        """Return the next object that the other end sent; the event loop goes on meanwhile.

        A call that is cancelled loses nothing: what arrived of a message is kept for the next call
        that receives. While a task waits, the loop's reader of this descriptor is in use.

        Raises:
            RuntimeError: another task is waiting for this connection.
            EOFError, OSError: as `recv`; OSError also when the connection is closed meanwhile.
        """
        self._source()
        from ._async import receive  # asyncio takes long to import

        return _loads(await receive(self))

    def _send_bytes(self, buf: Part) -> None:
        if len(buf) > _ONE_WRITE_BYTES:
            self._send_parts([buf])
            return
        count = self._pipe_end.send(self._handle, buf)
        if count is not None:
            self._write_rest(buf, count)

    def _write_rest(self, buf: Part, count: int) -> None:
        """Write the rest of a message; of its header and body *count* bytes were written before."""
        frame = memoryview(_pack(len(buf)) + buf)[count:]
        try:
            _fd_io.write(self._target(), [frame], begun=count > 0)
        except BlockingIOError:
            raise  # nothing was written
        except BaseException:
            self.close()
            raise

    def _recv_bytes(self, maxsize: int | None = None) -> bytes:
        message = self._pipe_end.receive(self._handle)
        if not isinstance(message, bytes):
            return self._finish(message, maxsize)
        if maxsize is not None and len(message) > maxsize:
            self._refuse_longer(len(message), maxsize)
        return message

    def _recv_into(self, target: memoryview) -> int:
        message = self._pipe_end.receive(self._handle)
        if not isinstance(message, bytes):
            size, part = self._size_and_part(message)
            if not part and size <= len(target):
                return self._fill(target[:size])
            message = part + self._recv_body(size - len(part))
        size = len(message)
        if size > len(target):
            raise BufferTooShort(message)
        target[:size] = message
        return size

    # ------------------------------------------------------------- what the core did not finish

    def _finish(self, begun: _Begun, maxsize: int | None = None) -> bytes:
        """Return the message that the core has begun to read."""
        size, part = self._size_and_part(begun)
        if maxsize is not None and size > maxsize:
            self._refuse_longer(size, maxsize)
        rest = self._read_begun(size - len(part))
        return part + rest if part else rest

    def _size_and_part(self, begun: _Begun) -> tuple[int, bytes]:
        """Return the size of the message, and what was read of its body."""
        size, part = (begun, b"") if isinstance(begun, int) else begun
        if size is None:
            (size,) = _unpack(part + self._read_begun(_framing.SHORT_HEADER.size - len(part)))
            part = b""
        return (size if size >= 0 else self._recv_size(_pack(size))), part

    # ---------------------------------------------------------------------------- the primitives

    def close(self) -> None:
        super().close()
        self._pipe_end = _NO_PIPE_END  # releases the shared memory of the pipe

    def _close(self, close: Any = _os_close) -> None:  # __del__ may run when modules are gone
        if self._waiter is not None:
            self._waiter.give_up()
        close(self._handle)

    def _write(self, parts: list[Part]) -> None:
        _fd_io.write(self._target(), parts)

    def _read(self, size: int, begun: bool) -> bytes:
        return _fd_io.read(self._open_handle(), size, begun)

    def _read_into(self, target: memoryview) -> None:
        _fd_io.read_into(self._open_handle(), target)

    def _poll(self, timeout: float | None) -> bool:
        fd = self._open_handle()
        if self._pipe_end.has_orphaned_message():
            return True
        if timeout is not None and timeout <= 0:
            return wait_events(fd, select.POLLIN, 0) != 0
        return wait_readable(fd, Deadline(timeout))


_NO_PIPE_END = _core.PipeEnd()

# -------------------------------------------------------------------------------------------- pipes


def Pipe(duplex: bool = True) -> tuple[Connection, Connection]:
    """Return the two ends of a new pipe.

    Args:
        duplex: both ends can send and receive; else the first receives and the second sends.
    """
    if duplex:
        one, other = _socket.socketpair()
        one.setblocking(True)  # a default timeout for sockets is not meant for pipes
        other.setblocking(True)
        first, second = Connection(one.detach()), Connection(other.detach())
    else:
        reader, writer = os.pipe()
        first, second = Connection(reader, writable=False), Connection(writer, readable=False)
    first._pipe_end, second._pipe_end = _core.pipe_ends(duplex)
    return first, second
