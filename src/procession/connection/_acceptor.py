"""Accepting peers that know the key, while no peer can make another one wait.

Idea: a handshake with a peer begins as soon as the peer has connected; one poll(2) watches the
listening socket and all handshakes that are under way. The first peer whose handshake is complete
is returned; the other handshakes go on in the next call.

Invariant: at most `MAX_PENDING` handshakes are under way, each within its time limit. Meanwhile
others wait in the kernel's queue; none is disconnected for them, as an honest peer may be slow. A
peer that closes its end or sends nothing is disconnected; one with a wrong key is told so and
reported. Only one thread at a time is in `accept`, and it waits for nothing but poll(2); this also
watches a wake-up, which `close` sets, so `close` waits for that thread only briefly.

Layer: ipc; imports the base layer.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from _thread import TIMEOUT_MAX, RLock

from .._base import log
from .._base.deadline import Deadline
from .._base.errors import AuthenticationError
from .._base.wakeup import Wakeup
from ._handshake import ConnectionTimeout, soonest_ms

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from ._base import _ConnectionBase
    from ._handshake import Handshake

    _Peer = tuple[Handshake, Any]

# So many handshakes at once; the next peer is accepted when one of them has ended.
MAX_PENDING = 128

# accept(2) found no peer, or one that is no longer connected. Source: accept(2), "Error handling":
# on Linux it reports what the network has told of the new connection.
_NO_PEER = frozenset(
    {errno.EAGAIN, errno.ECONNABORTED, errno.EPROTO, errno.EPERM, errno.ENETDOWN, errno.ENETUNREACH}
    | {errno.ENOPROTOOPT, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.EOPNOTSUPP, errno.ETIMEDOUT}
)
_NO_DESCRIPTOR = frozenset({errno.EMFILE, errno.ENFILE})

# How long `close` waits for the thread that is in `accept`, whose steps take far less.
CLOSE_TIMEOUT_S = 1.0


def try_accept(listening: socket.socket) -> tuple[socket.socket, Any] | None:
    """Return the next peer's socket and address without waiting; None if there is no peer.

    Raises:
        OSError: the socket cannot accept.
    """
    timeout = listening.gettimeout()
    if timeout != 0:  # set by the program; accept() would wait so long if another process accepted
        listening.setblocking(False)
    try:
        return listening.accept()
    except OSError as error:
        if error.errno not in _NO_PEER:
            raise
        return None
    finally:
        if timeout != 0:
            listening.settimeout(timeout)


_Lock: Any = RLock  # the published types do not have its `_is_owned`


class Acceptor:
    """Accepts peers at a listening socket.

    Args:
        listening: a socket that does not block.
        start_handshake: makes the handshake for a socket that was accepted.
    """

    def __init__(
        self, listening: socket.socket, start_handshake: Callable[[socket.socket], Handshake]
    ):
        self._listening = listening
        self._start_handshake = start_handshake
        self._peers: dict[int, _Peer] = {}
        self._lock = _Lock()
        self._wakeup: Wakeup | None = None
        self._closed = False
        self.last_address: Any = None
        self._pid = os.getpid()

    def accept(self, deadline: Deadline) -> _ConnectionBase:
        """Return the next connection whose handshake succeeded; threads take turns.

        Raises:
            AuthenticationError: a peer failed. It is disconnected; no other peer is affected.
            ConnectionTimeout: no handshake was complete before *deadline*.
            OSError: the acceptor was closed, or the socket cannot accept.
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
                raise _timed_out()
            while True:
                connection = self._step(deadline)
                if connection is not None:
                    return connection
                if deadline.expired:
                    raise _timed_out()
        finally:
            # Asked, because Ctrl-C may come after the lock was acquired and before that is known.
            if self._lock._is_owned():
                self._lock.release()
            if self._closed:
                self._release()

    def close(self) -> None:
        """Disconnect all peers; a thread that waits in `accept` gets an OSError."""
        if self._pid != os.getpid():
            self._after_fork()
        self._closed = True
        if self._wakeup is not None:
            self._wakeup.set()
        # In a signal handler that interrupts `accept`, which cannot return before the handler does.
        if not self._lock._is_owned() and self._lock.acquire(timeout=CLOSE_TIMEOUT_S):
            self._lock.release()
        self._release()

    def _release(self) -> None:
        """Disconnect all peers, unless a thread is in `accept`: it calls this when it returns."""
        if self._lock._is_owned() or not self._lock.acquire(blocking=False):
            return
        try:
            while self._peers:
                _, (handshake, _) = self._peers.popitem()
                handshake.link.disconnect()
            self._close_wakeup()
        finally:
            self._lock.release()

    def _close_wakeup(self) -> None:
        wakeup, self._wakeup = self._wakeup, None
        if wakeup is not None:
            wakeup.close()

    # ------------------------------------------------------------------------- steps, with the lock

    def _step(self, deadline: Deadline) -> _ConnectionBase | None:
        """Call poll(2) once, and do what is possible then."""
        if self._wakeup is None:
            self._wakeup = Wakeup()
        listening = self._listening.fileno()
        if self._closed or listening < 0:  # asked after the wake-up was made: it is set from now on
            raise OSError("listener is closed")
        poller = select.poll()
        poller.register(self._wakeup.fileno(), select.POLLIN)
        if len(self._peers) < MAX_PENDING:
            poller.register(listening, select.POLLIN)
        for fd, (handshake, _) in self._peers.items():
            poller.register(fd, handshake.link.events)
        limits = [handshake.limit for handshake, _ in self._peers.values()]
        ready = {fd for fd, _ in poller.poll(soonest_ms(deadline, *limits))}
        for fd in ready & self._peers.keys():
            connection = self._advance(fd)
            if connection is not None:
                return connection
        self._disconnect_overdue()
        return self._accept_peer() if listening in ready and not self._closed else None

    def _accept_peer(self) -> _ConnectionBase | None:
        """Begin the handshake with a peer that has connected."""
        try:
            accepted = try_accept(self._listening)
        except OSError as error:
            if error.errno not in _NO_DESCRIPTOR or not self._peers:
                raise
            self._disconnect_first("there is no descriptor for another")
            return None
        if accepted is None:
            return None  # another process accepted it, or it has closed its end
        handshake = self._begin(*accepted)
        return None if handshake is None else self._advance(handshake.link.fileno())

    def _begin(self, sock: socket.socket, address: Any) -> Handshake | None:
        """Return the handshake with a new peer; None if the peer has closed its end."""
        try:
            handshake = self._start_handshake(sock)
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
        """Go on with a handshake; return the connection if it is complete."""
        handshake, address = self._peers[fd]
        try:
            if not handshake.advance():
                return None
        except AuthenticationError:
            self.last_address = address
            self._disconnect(fd, "wrong key")
            raise
        except (EOFError, OSError) as error:
            self._disconnect(fd, f"{type(error).__name__}: {error}")
            return None
        del self._peers[fd]
        self.last_address = address
        return handshake.link.connection()

    def _disconnect_overdue(self) -> None:
        for fd in [fd for fd, (handshake, _) in self._peers.items() if handshake.limit.expired]:
            self._disconnect(fd, "the handshake took too long")

    def _disconnect_first(self, why: str) -> None:
        self._disconnect(next(iter(self._peers)), why)

    def _disconnect(self, fd: int, why: str) -> None:
        handshake, address = self._peers.pop(fd)
        handshake.link.disconnect()
        log.info("listener dropped the peer %r: %s", address, why)

    def _after_fork(self) -> None:
        """In a forked child: leave the pending handshakes and the wake-up to the parent."""
        self._pid = os.getpid()
        self._lock = _Lock()
        for handshake, _ in self._peers.values():
            handshake.link.close()
        self._peers.clear()
        self._close_wakeup()


def _timed_out() -> ConnectionTimeout:
    return ConnectionTimeout("no connection was accepted in time")
