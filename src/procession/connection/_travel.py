"""Connections in messages.

Idea: a pickle holds a stand-in for the descriptor, and the directions.

Invariant: plain pickle does the same: the mere number of a descriptor would mean another file, or
none, to whoever unpickles it.

Layer: ipc; imports `reduction`.
"""

from __future__ import annotations

import copyreg

from ..reduction._travel import DupFd
from ._stream import Connection

TYPE_CHECKING = False  # as the type checkers know it; importing typing is not cheap
if TYPE_CHECKING:
    from typing import Any


def reduce_connection(connection: Connection) -> tuple[Any, ...]:
    """What a pickle of *connection* holds: a duplicate of its descriptor, and its directions."""
    stand_in = DupFd(connection.fileno())
    return rebuild_connection, (stand_in, connection.readable, connection.writable)


def rebuild_connection(stand_in: Any, readable: bool, writable: bool) -> Connection:
    """Make a connection of what `reduce_connection` put into a pickle."""
    return Connection(stand_in.detach(), readable, writable)


copyreg.pickle(Connection, reduce_connection)
