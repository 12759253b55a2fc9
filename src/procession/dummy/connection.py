"""The interface of `connection` between threads: a connection is a pair of queues.

Idea: a listener is a queue; each client puts the two queues of a new connection into it. The
address of the listener is that queue itself.

Invariant: `close` of a connection does nothing. Programs close the other side's end after they have
started a process; here that end is the object which the other thread still uses.

Layer: pools and managers; imports the standard library only.
"""

from __future__ import annotations

from queue import Queue
from typing import Any, Self

from .._base.deadline import seconds_of

__all__ = ["Client", "Listener", "Pipe"]

families = [None]

_Objects = Queue[Any]


class Connection:
    """One end of a connection: the other end gets the objects that are put into *_out*.

    Attributes:
        send, send_bytes: put an object.
        recv, recv_bytes: return the next object, waiting for it.
    """

    def __init__(self, _in: _Objects, _out: _Objects):
        self._in = _in
        self._out = _out
        self.send = self.send_bytes = _out.put
        self.recv = self.recv_bytes = _in.get

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Return whether there is an object to receive, waiting up to *timeout* for one.

        Args:
            timeout: seconds; None waits for ever, 0 or less only looks.
        """
        timeout = seconds_of(timeout)
        with self._in.not_empty:
            if timeout is None or timeout > 0:
                self._in.not_empty.wait_for(self._in._qsize, timeout)
            return self._in._qsize() > 0

    def close(self) -> None:
        """Do nothing; see the module."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Listener:
    """A queue of clients that want a connection.

    Args:
        address, family: not used.
        backlog: how many clients may wait for `accept`; further clients wait for room.
    """

    def __init__(self, address: Any = None, family: Any = None, backlog: int = 1):
        self._backlog_queue: _Objects | None = Queue(backlog)

    def accept(self) -> Connection:
        """Return a connection to the next client, waiting for one.

        Raises:
            OSError: the listener is closed.
        """
        return Connection(*self._open_queue().get())

    def close(self) -> None:
        """Close the listener; closing it again does nothing."""
        self._backlog_queue = None

    @property
    def address(self) -> _Objects | None:
        """What `Client` takes; None when closed."""
        return self._backlog_queue

    def _open_queue(self) -> _Objects:
        if self._backlog_queue is None:
            raise OSError("listener is closed")
        return self._backlog_queue

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def Client(address: _Objects) -> Connection:
    """Return a connection to the listener whose `address` that is."""
    incoming: _Objects = Queue()
    outgoing: _Objects = Queue()
    address.put((outgoing, incoming))
    return Connection(incoming, outgoing)


def Pipe(duplex: bool = True) -> tuple[Connection, Connection]:
    """Return two connected connections; both send and receive, whatever *duplex* says."""
    one: _Objects = Queue()
    other: _Objects = Queue()
    return Connection(one, other), Connection(other, one)
