"""Letting in those who know the key, without letting anybody block the door.

Idea: whoever has connected begins a handshake at once; one poll(2) watches the listening socket
and all who are in the middle of theirs. The first to finish is let in; the others stay at the door
for the next call.

Invariant: at most `MOST_WAITING` peers are at the door, each no longer than the limit of a
handshake; who has gone or fallen silent is dropped, who has a wrong key is told and reported.

Layer: ipc; imports the base layer.
"""

from __future__ import annotations

import os
import select
import socket
from _thread import allocate_lock

from .. import _log
from .._deadline import Deadline
from .._errors import AuthenticationError
from ._handshake import ConnectionTimeout, soonest_ms

TYPE_CHECKING = False  # as the type checkers know it; importing typing is not cheap
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._base import _ConnectionBase
    from ._handshake import Handshake

    _Peer = tuple[Handshake, Any]

# Above that the one who has waited longest has to go.
MOST_WAITING = 128


class Door:
    """Admits peers at a listening socket.

    Args:
        listening: a socket that does not block.
        greet: makes the handshake of a socket that was accepted.
    """

    def __init__(self, listening: socket.socket, greet: Callable[[socket.socket], Handshake]):
        self._listening = listening
        self._greet = greet
        self._peers: dict[int, _Peer] = {}
        self._lock = allocate_lock()
        self.last_address: Any = None
        self._pid = os.getpid()

    def admit(self, deadline: Deadline) -> _ConnectionBase:
        """Return the next connection whose handshake went well; threads take turns.

        Raises:
            AuthenticationError: somebody failed. He is gone; nobody else is affected.
            ConnectionTimeout: nobody was let in before *deadline*.
            OSError: the socket cannot accept.
        """
        if self._pid != os.getpid():
            self._after_fork()
        remaining = deadline.remaining()
        if not self._lock.acquire(timeout=-1 if remaining is None else remaining):
            raise _nobody_came()
        try:
            while True:
                admitted = self._look(deadline)
                if admitted is not None:
                    return admitted
                if deadline.expired:
                    raise _nobody_came()
        finally:
            self._lock.release()

    def close(self) -> None:
        """Send away all who are at the door."""
        while self._peers:
            _, (handshake, _) = self._peers.popitem()
            handshake.link.close()

    def _look(self, deadline: Deadline) -> _ConnectionBase | None:
        """Wait for something to happen, once."""
        poller = select.poll()
        poller.register(self._listening, select.POLLIN)
        for fd, (handshake, _) in self._peers.items():
            poller.register(fd, handshake.link.events)
        limits = [handshake.limit for handshake, _ in self._peers.values()]
        ready = {fd for fd, _ in poller.poll(soonest_ms(deadline, *limits))}
        for fd in ready & self._peers.keys():
            admitted = self._advance(fd)
            if admitted is not None:
                return admitted
        self._drop_the_silent()
        return self._open() if self._listening.fileno() in ready else None

    def _open(self) -> _ConnectionBase | None:
        """Begin the handshake of somebody who has connected."""
        try:
            sock, address = self._listening.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return None  # another process was faster, or he has gone
        if len(self._peers) >= MOST_WAITING:
            self._drop(next(iter(self._peers)), "too many are waiting")
        handshake = self._greet(sock)
        fd = handshake.link.fileno()
        self._peers[fd] = (handshake, address)
        return self._advance(fd)

    def _advance(self, fd: int) -> _ConnectionBase | None:
        """Go on with a handshake; the connection, if it is done."""
        handshake, address = self._peers[fd]
        try:
            if not handshake.advance():
                return None
        except AuthenticationError:
            self.last_address = address
            self._drop(fd, "wrong key")
            raise
        except (EOFError, OSError) as error:
            self._drop(fd, f"{type(error).__name__}: {error}")
            return None
        del self._peers[fd]
        self.last_address = address
        return handshake.link.connection()

    def _drop_the_silent(self) -> None:
        for fd in [fd for fd, (handshake, _) in self._peers.items() if handshake.limit.expired]:
            self._drop(fd, "the handshake took too long")

    def _drop(self, fd: int, why: str) -> None:
        handshake, address = self._peers.pop(fd)
        handshake.link.close()
        _log.info("listener dropped the peer %r: %s", address, why)

    def _after_fork(self) -> None:
        """In a forked child: those at the door are the parent's to let in."""
        self._pid = os.getpid()
        self._lock = allocate_lock()
        self.close()


def _nobody_came() -> ConnectionTimeout:
    return ConnectionTimeout("no connection was accepted in time")
