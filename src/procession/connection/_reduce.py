"""Pickling connections.

Idea: a pickle holds a stand-in for the descriptor, the directions, and the address of the pipe's
shared memory in the family's arena.

Invariant: every pickler does the same; the number of a descriptor alone would mean another file, or
none, in the process that unpickles it. The shared memory only makes a pipe faster. If it was freed
before the receiver unpickles (both ends of the sender may be closed by then), the connection works
without it.

Layer: ipc; imports the core and `_pickling`.
"""

from __future__ import annotations

import copyreg

from .. import _core
from .._pickling.fd_reduce import DupFd
from ._fd_connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def reduce_connection(connection: Connection) -> tuple[Any, ...]:
    """Return what a pickle of *connection* holds.

    Raises:
        OSError: the connection is closed, or in the middle of a message.
    """
    if not isinstance(connection._pipe_end, _core.PipeEnd):
        raise OSError("a connection cannot be sent in the middle of a message; receive it first")
    stand_in = DupFd(connection.fileno())
    return rebuild_connection, (
        *(stand_in, connection.readable, connection.writable),
        _reference(connection._pipe_end),
    )


def _reference(pipe_end: _core.PipeEnd) -> tuple[int, tuple[Any, ...]] | None:
    """Return the end of the pipe and arguments of `_core._attach`; None without shared memory."""
    if not pipe_end.has_fast_path:
        return None
    _, where = pipe_end.__reduce__()  # also makes a launch keep the memory for the child
    return pipe_end.side, where


def rebuild_connection(
    stand_in: Any,
    readable: bool,
    writable: bool,
    reference: tuple[int, tuple[Any, ...]] | None = None,
) -> Connection:
    """Return the connection that `reduce_connection` put into a pickle."""
    connection = Connection(stand_in.detach(), readable, writable)
    if reference is not None:
        side, where = reference
        try:
            pipe_end: _core.PipeEnd = _core._attach(*where)
        except (RuntimeError, MemoryError):  # of another family, or freed: see above
            return connection
        pipe_end.side = side
        connection._pipe_end = pipe_end
    return connection


copyreg.pickle(Connection, reduce_connection)
