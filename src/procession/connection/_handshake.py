"""A handshake that never waits, so that one thread can hold many at once.

Idea: a link (a socket that does not block, with or without TLS) says what it would have to wait
for; the handshake goes as far as it can and is continued when poll(2) reports that.

Invariant: no byte after the handshake is read, as those belong to the connection. A peer can make
this process hold `_auth.LONGEST_MESSAGE` bytes, for `HANDSHAKE_TIMEOUT_S`, and no more.

Layer: ipc; imports the base layer.
"""

from __future__ import annotations

import builtins
import select
import socket

from .._base import errors, log
from .._base.deadline import Deadline
from .._base.errors import AuthenticationError
from .._base.poll import wait_events
from . import _framing
from ._auth import LONGEST_MESSAGE, both_steps
from ._fd_connection import Connection

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._auth import Steps
    from ._base import _ConnectionBase

# How long a handshake may take from the first byte that the peer sent.
HANDSHAKE_TIMEOUT_S = 10.0


class ConnectionTimeout(errors.TimeoutError, builtins.TimeoutError):
    """No peer connected in time, or its handshake was not complete.

    It is caught as either kind of TimeoutError.
    """


class SocketLink:
    """A socket without TLS, for the time of the handshake.

    Attributes:
        events: what to poll the descriptor for, after a call said that it would have to wait.
    """

    def __init__(self, sock: socket.socket):
        sock.setblocking(False)
        self._sock = sock
        self.events = select.POLLIN

    def fileno(self) -> int:
        return self._sock.fileno()

    def establish(self) -> bool:
        """Do what comes before the first byte; return False if that would have to wait."""
        return True

    def recv(self, size: int) -> bytes | None:
        """Return up to *size* bytes, b"" at the stream's end; None if it would have to wait."""
        try:
            return self._sock.recv(size)
        except BlockingIOError:
            self.events = select.POLLIN
            return None

    def send(self, data: bytes) -> int:
        """Return how many bytes of *data* were sent; 0 if it would have to wait."""
        try:
            return self._sock.send(data)
        except BlockingIOError:
            self.events = select.POLLOUT
            return 0

    def connection(self) -> _ConnectionBase:
        """Return a connection that takes the socket over from the link."""
        self._sock.setblocking(True)
        return Connection(self._sock.detach())

    def disconnect(self) -> None:
        """End the connection; the peer sees it even if a forked child has a copy of the socket."""
        try:
            self._sock.shutdown(socket.SHUT_RDWR)
        except OSError as error:  # the peer has ended it
            log.debug("a connection ended by itself: %s", error)
        self._sock.close()

    def close(self) -> None:
        """Close this process's descriptor; copies in other processes stay open."""
        self._sock.close()


class Handshake:
    """What happens on *link* before it is a connection.

    Args:
        authkey: None if no key is needed.
        as_listener: whether this is the listener's side. Its time is limited from the start; the
            client's is limited from the first byte of an answer, as a listener may take any time
            until it calls accept().
    """

    def __init__(self, link: SocketLink, authkey: bytes | None, as_listener: bool):
        self.link = link
        self.limit = Deadline(HANDSHAKE_TIMEOUT_S if as_listener else None)
        self._established = False
        self._steps: Steps | None = None
        if authkey is not None:
            self._steps = both_steps(authkey, asks_first=as_listener)
        self._outgoing = b""
        self._incoming = b""

    def advance(self) -> bool:
        """Go as far as possible without waiting.

        Returns:
            Whether the handshake is done; if not, go on when `link` has its `events`.
        Raises:
            AuthenticationError: the peer does not know the key, or uses another protocol.
            EOFError, OSError: the peer has closed its end.
        """
        if not self._established:
            self._established = self.link.establish()
            if not self._established:
                return False
            self._step(None)
        while self._steps is not None:
            if not (self._flush() if self._outgoing else self._fetch()):
                return False
        return True

    def _step(self, message: bytes | None) -> None:
        """Give *message* to the protocol, and keep what it wants to send."""
        if self._steps is None:
            return
        try:
            answer = next(self._steps) if message is None else self._steps.send(message)
        except StopIteration:
            self._steps = None
        else:
            if answer is not None:
                self._outgoing = _framing.header(len(answer)) + answer

    def note_answer(self) -> None:
        """Note that the peer has sent something: from now on its time is limited."""
        if self.limit.remaining() is None:
            self.limit = Deadline(HANDSHAKE_TIMEOUT_S)

    def _flush(self) -> bool:
        try:
            count = self.link.send(self._outgoing)
        except OSError as error:
            if self._steps is not None:
                self._steps.throw(error)
            raise
        self._outgoing = self._outgoing[count:]
        if count and not self._outgoing:
            self._step(None)
        return count > 0

    def _fetch(self) -> bool:
        data = self.link.recv(self._missing())
        if data is None:
            return False
        if not data:
            raise EOFError("the other side closed the connection during the handshake")
        self.note_answer()
        self._incoming += data
        if self._missing() == 0:
            message, self._incoming = self._incoming[4:], b""
            self._step(message)
        return True

    def _missing(self) -> int:
        """Return how many bytes are missing: of the header, or then of the message."""
        if len(self._incoming) < 4:
            return 4 - len(self._incoming)
        (size,) = _framing.SHORT_HEADER.unpack(self._incoming[:4])
        if not 0 <= size <= LONGEST_MESSAGE:
            raise AuthenticationError(
                f"the other side announced a message of {size:,} bytes, where at most "
                f"{LONGEST_MESSAGE} are allowed before it has shown that it knows the authkey"
            )
        return int(4 + size - len(self._incoming))


def complete(handshake: Handshake, deadline: Deadline) -> _ConnectionBase:
    """Do all of *handshake* and return the connection; the link is closed on failure.

    Raises:
        ConnectionTimeout: *deadline* or the handshake's own limit is over.
        AuthenticationError, EOFError, OSError: as `Handshake.advance`.
    """
    link = handshake.link
    try:
        while not handshake.advance():
            if deadline.expired or handshake.limit.expired:
                raise ConnectionTimeout("the other side did not finish the handshake in time")
            limit_ms = soonest_ms(deadline, handshake.limit)
            if wait_events(link.fileno(), link.events, limit_ms) & select.POLLIN:
                handshake.note_answer()  # `advance` does not do so for TLS's own messages
        return link.connection()
    except BaseException:
        link.disconnect()
        raise


def soonest_ms(*deadlines: Deadline) -> int | None:
    """Milliseconds until the first of *deadlines*, for poll(2); None if there is none."""
    left = [ms for ms in (deadline.remaining_ms() for deadline in deadlines) if ms is not None]
    return min(left, default=None)
