"""Connections in messages.

Idea: a pickle holds a stand-in for the descriptor, the directions, and where in the family's memory
the pipe's mailboxes are.

Invariant: plain pickle does the same: the mere number of a descriptor would mean another file, or
none, to whoever unpickles it. The mailboxes are a gain, never a need: where the receiver finds them
gone, as both of the sender's ends may be by then, its connection does without.

Layer: ipc; imports the core and `reduction`.
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
    """What a pickle of *connection* holds.

    Raises:
        OSError: the connection is closed, or in the middle of a message.
    """
    if not isinstance(connection._pipe_end, _core.PipeEnd):
        raise OSError("a connection cannot travel in the middle of a message; receive it first")
    stand_in = DupFd(connection.fileno())
    return rebuild_connection, (
        *(stand_in, connection.readable, connection.writable),
        _reference(connection._pipe_end),
    )


def _reference(end: _core.PipeEnd) -> tuple[int, tuple[Any, ...]] | None:
    """Which side of the pipe, and what `_core._attach` takes; None if there are no mailboxes."""
    if not end.has_fast_path:
        return None
    _, where = end.__reduce__()  # which also has a launch keep them for the child
    return end.side, where


def rebuild_connection(
    stand_in: Any,
    readable: bool,
    writable: bool,
    reference: tuple[int, tuple[Any, ...]] | None = None,
) -> Connection:
    """Make a connection of what `reduce_connection` put into a pickle."""
    connection = Connection(stand_in.detach(), readable, writable)
    if reference is not None:
        side, where = reference
        try:
            end: _core.PipeEnd = _core._attach(*where)
        except (RuntimeError, MemoryError):  # of another family, or gone: see above
            return connection
        end.side = side
        connection._pipe_end = end
    return connection


copyreg.pickle(Connection, reduce_connection)
