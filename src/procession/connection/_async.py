"""Receiving from a connection on an event loop.

Idea: the loop says when the descriptor can be read. What is there is read then, without waiting,
and never beyond the message. Until a message is complete, an object that has its first part
replaces the pipe end of the connection, so the next call that receives, of any kind, continues that
message.

Invariant: bytes are read only in the steps of a task, never in a callback of the loop. A message
that is complete is returned in the same step, so no cancellation can come in between. However a
wait ends, the loop has no reader left.

Layer: ipc; imports asyncio, so it is loaded on first use.
"""

from __future__ import annotations

import asyncio
import select
import weakref

from .._base.poll import wait_events
from . import _framing

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .. import _core
    from ._fd_connection import Connection

# The most bytes read in one step, so that other tasks run while a fast sender sends a long message.
_ONE_STEP_BYTES = 1 << 20


async def receive(connection: Connection) -> bytes | bytearray:
    """Return the next message of *connection*."""
    if connection._waiter is not None:
        raise RuntimeError(f"another task is already waiting for {connection!r}")
    while True:
        pipe_end = connection._pipe_end
        if not isinstance(pipe_end, PartialMessage):
            orphaned = pipe_end.recover_message()
            if orphaned is not None:
                return orphaned
            pipe_end = PartialMessage(connection, pipe_end)
        message = pipe_end.advance(connection._source())
        if message is not None:
            return message
        await Waiter(connection).wait()


class Waiter:
    """The wait of one task until the descriptor of *connection* can be read."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._fd = connection.fileno()
        self._loop = asyncio.get_running_loop()
        self._future: asyncio.Future[None] = self._loop.create_future()

    async def wait(self) -> None:
        """Wait until the descriptor can be read, or `give_up` is called."""
        self._loop.add_reader(self._fd, self._wake)
        self._connection._waiter = self
        try:
            await self._future
        finally:
            self._forget()

    def give_up(self) -> None:
        """End the wait because the descriptor will be closed, perhaps by another thread."""
        self._forget()
        self._loop.call_soon_threadsafe(self._wake)

    def _wake(self) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def _forget(self) -> None:
        if self._connection._waiter is self:
            self._connection._waiter = None
            self._loop.remove_reader(self._fd)


class PartialMessage:
    """The first part of a message; until it is whole, this replaces *connection*'s pipe end."""

    has_fast_path = False

    def __init__(self, connection: Connection, pipe_end: _core.PipeEnd):
        self._connection = weakref.ref(connection)
        self._pipe_end = pipe_end
        self._data = bytearray()  # of the header, then of the body
        self._missing = _framing.SHORT_HEADER.size
        self._size: int | None = None

    def advance(self, fd: int) -> bytearray | None:
        """Read what is there, within the limit of a step; return the message if it is complete.

        Raises:
            EOFError: the stream ended before the message; OSError: within it.
        """
        budget = _ONE_STEP_BYTES
        while self._missing and budget > 0:
            data = self._pipe_end.try_read(fd, self._missing)
            if data is None:
                return None
            if not data:
                raise self._end_error()
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

    def _end_error(self) -> Exception:
        if self._size is None and not self._data:
            return EOFError()
        return OSError("got end of file during message")

    def _read_header(self) -> None:
        """Read the header's length from its first four bytes, or the message's size from all."""
        if len(self._data) == _framing.SHORT_HEADER.size:
            self._missing = _framing.header_length(self._data) - len(self._data)
            if self._missing:
                return
        size = _framing.parse_header(self._data)
        if size is None:
            connection = self._connection()
            assert connection is not None, "its method is being executed"
            connection._bad_message_length("the header gives an impossible one")
        self._size = self._missing = size
        self._data = bytearray()

    def _finished(self) -> bytearray:
        connection = self._connection()
        if connection is not None and not connection.closed:
            connection._pipe_end = self._pipe_end
        return self._data

    # --------------------------------------------------------------- the interface of a pipe end

    def receive(self, fd: int | None) -> bytes:
        """Wait for the rest of the message, and return all of it."""
        if fd is None:
            raise OSError("handle is closed")
        while (message := self.advance(fd)) is None:
            wait_events(fd, select.POLLIN)
        return bytes(message)

    def send(self, fd: int | None, data: Any) -> int | None:
        """Send as the pipe end does; the other direction has no part in the message."""
        return self._pipe_end.send(fd, data)

    def has_orphaned_message(self) -> bool:
        """Return False: the rest of the message comes through the descriptor."""
        return False
