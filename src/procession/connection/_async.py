"""Receiving from a connection on an event loop.

Idea: the loop says when the descriptor can be read; what is there is read then, without waiting,
and no more than belongs to the message. What has arrived of a message stands in the place of the
connection's pipe end until it is complete, so the next receiver, in whatever way, goes on there.

Invariant: bytes are read only in the steps of a task, never in a callback of the loop: a message
that is complete is returned in the same step, so no cancellation can come in between. On every way
out the loop has no reader left.

Layer: ipc; imports asyncio, so it is loaded on first use.
"""

from __future__ import annotations

import asyncio
import select
import weakref

from . import _fd_io, _framing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .. import _core
    from ._fd_connection import Connection

# Bytes read in one step, so that a long message with a fast sender leaves the loop its turns.
_ONE_STEP = 1 << 20


async def receive(connection: Connection) -> bytes | bytearray:
    """Return the next message of *connection*."""
    if connection._waiter is not None:
        raise RuntimeError(f"another task is already waiting for {connection!r}")
    while True:
        end = connection._pipe_end
        if not isinstance(end, Unfinished):
            orphaned = end.recover_message()
            if orphaned is not None:
                return orphaned
            end = Unfinished(connection, end)
        message = end.advance(connection._source())
        if message is not None:
            return message
        await Waiter(connection).wait()


class Waiter:
    """A task's wait until the descriptor of *connection* can be read."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._fd = connection.fileno()
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    async def wait(self) -> None:
        """Wait. Raises: OSError: the connection was closed."""
        self._loop.add_reader(self._fd, self._wake)
        self._connection._waiter = self
        try:
            await self._future
        finally:
            self._forget()

    def give_up(self) -> None:
        """End the wait, as the descriptor is about to be closed, perhaps by another thread."""
        self._forget()
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def _forget(self) -> None:
        if self._connection._waiter is self:
            self._connection._waiter = None
            self._loop.remove_reader(self._fd)


class Unfinished:
    """A message that has arrived in part: from then on the pipe end of *connection*."""

    has_fast_path = False

    def __init__(self, connection: Connection, end: _core.PipeEnd):
        self._connection = weakref.ref(connection)
        self._pipe_end = end
        self._data = bytearray()  # of the header, then of the body
        self._missing = _framing.SHORT_HEADER.size
        self._size: int | None = None

    def advance(self, fd: int) -> bytearray | None:
        """Read what is there, a step's measure at most; the message if that completes it.

        Raises:
            EOFError: the stream ended before the message; OSError: within it.
        """
        budget = _ONE_STEP
        while self._missing and budget > 0:
            data = self._pipe_end.try_read(fd, self._missing)
            if data is None:
                return None
            if not data:
                raise self._end()
            self._begin()
            self._data += data
            self._missing -= len(data)
            budget -= len(data)
            if not self._missing and self._size is None:
                self._read_header()
        return self._finished() if not self._missing else None

    def _begin(self) -> None:
        connection = self._connection()
        if connection is not None and not connection.closed:
            connection._pipe_end = self

    def _end(self) -> Exception:
        if self._size is None and not self._data:
            return EOFError()
        return OSError("got end of file during message")

    def _read_header(self) -> None:
        """The header is complete, or its first four bytes are, which say how long it is."""
        if len(self._data) == _framing.SHORT_HEADER.size:
            self._missing = _framing.bytes_of_header(self._data) - len(self._data)
            if self._missing:
                return
        size = _framing.announced(self._data)
        if size is None:
            connection = self._connection()
            assert connection is not None, "its method is being executed"
            connection._bad_message_length("the header gives none that can be")
        self._size = self._missing = size
        self._data = bytearray()

    def _finished(self) -> bytearray:
        connection = self._connection()
        if connection is not None and not connection.closed:
            connection._pipe_end = self._pipe_end
        return self._data

    # ---------------------------------------------------------------- in the place of the pipe end

    def receive(self, fd: int | None) -> bytes:
        """Wait for the rest of the message, and return all of it."""
        if fd is None:
            raise OSError("handle is closed")
        while (message := self.advance(fd)) is None:
            _fd_io.await_events(fd, select.POLLIN)
        return bytes(message)

    def send(self, fd: int | None, data: Any) -> int | None:
        """As that of the pipe end."""
        return self._pipe_end.send(fd, data)

    def has_orphaned_message(self) -> bool:
        """The descriptor says whether there is more of this message; the mailbox can wait."""
        return False
