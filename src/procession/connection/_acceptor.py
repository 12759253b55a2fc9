"""Letting in those who know the key, without letting anybody block the door.

Idea: whoever has connected begins a handshake at once; one poll(2) watches the listening socket
and all who are in the middle of theirs. The first to finish is let in; the others stay at the door
for the next call.

Invariant: at most `MOST_WAITING` peers are at the door, each no longer than the limit of a
handshake; who has gone or fallen silent is dropped, who has a wrong key is told and reported. One
thread at a time is inside, and it never waits for a peer, only for poll(2): so `close`, which
rings a bell that poll(2) watches too, has to wait for it but a moment.

Layer: ipc; imports the base layer.
"""

from __future__ import annotations

import errno
import os
import select
import socket
import sys
from _thread import TIMEOUT_MAX, RLock
from io import FileIO

from .._base import log
from .._base.deadline import Deadline
from .._base.errors import AuthenticationError
from ._handshake import ConnectionTimeout, soonest_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._base import _ConnectionBase
    from ._handshake import Handshake

    _Peer = tuple[Handshake, Any]

# Above that the one who has waited longest has to go.
MOST_WAITING = 128

# accept(2) found nobody, or took somebody from the queue who has gone. Source: accept(2), "Error
# handling": on Linux it reports what the network has told of the new connection.
_NOBODY = frozenset(
    {errno.EAGAIN, errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENETUNREACH}
    | {errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ETIMEDOUT}
)
_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})

# Seconds that `close` waits for the thread inside, which needs far less for any step.
LONGEST_STEP = 1.0

_ONE = (1).to_bytes(8, sys.byteorder)  # what an eventfd is rung with


def take_peer(listening: socket.socket) -> tuple[socket.socket, Any] | None:
    """Return the next peer's socket and address without waiting; None if there is nobody.

    Raises:
        OSError: the socket cannot accept.
    """
    timeout = listening.gettimeout()
    if timeout != 0:  # the program's own; accept() would wait so long where another was faster
        listening.setblocking(False)
    try:
        return listening.accept()
    except OSError as error:
        if error.errno not in _NOBODY:
            raise
        return None
    finally:
        if timeout != 0:
            listening.settimeout(timeout)


_Turn: Any = RLock  # which its type's description does not know to say whose turn it is


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
        self._lock = _Turn()
        self._bell: FileIO | None = None
        self._closed = False
        self.last_address: Any = None
        self._pid = os.getpid()

    def admit(self, deadline: Deadline) -> _ConnectionBase:
        """Return the next connection whose handshake went well; threads take turns.

        Raises:
            AuthenticationError: somebody failed. He is gone; nobody else is affected.
            ConnectionTimeout: nobody was let in before *deadline*.
            OSError: the door was closed, or the socket cannot accept.
            RuntimeError: a signal handler called this in the middle of another call.
        """
        if self._pid != os.getpid():
            self._after_fork()
        if self._lock._is_owned():
            raise RuntimeError("a signal handler cannot accept while it interrupts accept()")
        remaining = deadline.remaining()
        timeout = -1 if remaining is None else min(remaining, TIMEOUT_MAX)
        try:
            if not self._lock.acquire(timeout=timeout):
                raise _nobody_came()
            while True:
                admitted = self._look(deadline)
                if admitted is not None:
                    return admitted
                if deadline.expired:
                    raise _nobody_came()
        finally:
            # Asked, as Ctrl-C may have come between the lock's success and our knowing of it.
            if self._lock._is_owned():
                self._lock.release()
            if self._closed:
                self._clear()

    def close(self) -> None:
        """Send away all who are at the door; whoever is waiting inside gets an OSError."""
        if self._pid != os.getpid():
            self._after_fork()
        self._closed = True
        if self._bell is not None:
            self._bell.write(_ONE)
        # A signal handler may be in the middle of `admit`, which cannot leave before it ends.
        if not self._lock._is_owned() and self._lock.acquire(timeout=LONGEST_STEP):
            self._lock.release()
        self._clear()

    def _clear(self) -> None:
        """Empty a closed door, unless somebody is inside, who then does it when he leaves."""
        if self._lock._is_owned() or not self._lock.acquire(blocking=False):
            return
        try:
            while self._peers:
                _, (handshake, _) = self._peers.popitem()
                handshake.link.drop()
            self._unhang()
        finally:
            self._lock.release()

    def _unhang(self) -> None:
        bell, self._bell = self._bell, None
        if bell is not None:
            bell.close()

    # ------------------------------------------------------------------------- steps, with the lock

    def _look(self, deadline: Deadline) -> _ConnectionBase | None:
        """Wait for something to happen, once."""
        if self._bell is None:
            self._bell = FileIO(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK), "r+")
        listening = self._listening.fileno()
        if self._closed or listening < 0:  # looked at after the bell was hung: it rings from now on
            raise OSError("listener is closed")
        poller = select.poll()
        poller.register(self._bell.fileno(), select.POLLIN)
        poller.register(listening, select.POLLIN)
        for fd, (handshake, _) in self._peers.items():
            poller.register(fd, handshake.link.events)
        limits = [handshake.limit for handshake, _ in self._peers.values()]
        ready = {fd for fd, _ in poller.poll(soonest_ms(deadline, *limits))}
        for fd in ready & self._peers.keys():
            admitted = self._advance(fd)
            if admitted is not None:
                return admitted
        self._drop_the_silent()
        return self._open() if listening in ready and not self._closed else None

    def _open(self) -> _ConnectionBase | None:
        """Begin the handshake of somebody who has connected."""
        try:
            taken = take_peer(self._listening)
        except OSError as error:
            if error.errno not in _NO_DESCRIPTOR or not self._peers:
                raise
            self._drop_the_first("there is no descriptor for another")
            return None
        if taken is None:
            return None  # another process was faster, or he has gone
        if len(self._peers) >= MOST_WAITING:
            self._drop_the_first("too many are waiting")
        handshake = self._begin(*taken)
        return None if handshake is None else self._advance(handshake.link.fileno())

    def _begin(self, sock: socket.socket, address: Any) -> Handshake | None:
        """The handshake of somebody new; None if he has gone already."""
        try:
            handshake = self._greet(sock)
        except OSError as error:
            sock.close()
            log.info("listener dropped the peer %r: %s", address, error)
            return None
        except BaseException:
            sock.close()
            raise
        self._peers[handshake.link.fileno()] = (handshake, address)
        return handshake

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

    def _drop_the_first(self, why: str) -> None:
        self._drop(next(iter(self._peers)), why)

    def _drop(self, fd: int, why: str) -> None:
        handshake, address = self._peers.pop(fd)
        handshake.link.drop()
        log.info("listener dropped the peer %r: %s", address, why)

    def _after_fork(self) -> None:
        """In a forked child: those at the door, and the bell, are the parent's."""
        self._pid = os.getpid()
        self._lock = _Turn()
        for handshake, _ in self._peers.values():
            handshake.link.close()
        self._peers.clear()
        self._unhang()


def _nobody_came() -> ConnectionTimeout:
    return ConnectionTimeout("no connection was accepted in time")
