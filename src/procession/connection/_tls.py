"""Connections through TLS.

Idea: a TLS socket that never blocks. When it says what it would wait for (which can be to read in
order to write), that is waited for outside of the TLS library, with poll(2). So two threads can
send and receive at the same time.

Invariant: only one thread at a time is inside the TLS library. What was decrypted and not received
yet counts as readable, for `poll` and for `wait`.

Layer: ipc; imports the base layer.
"""

from __future__ import annotations

import select
import socket
import ssl
from _thread import allocate_lock
from typing import Any, NoReturn

from .._base.deadline import Deadline
from .._base.errors import AuthenticationError
from .._base.poll import wait_events, wait_readable
from .._pickling.pickler import Part
from ._base import _ConnectionBase
from ._handshake import SocketLink

# The most bytes of one TLS record.
_RECORD_BYTES = 16384


class TLSLink(SocketLink):
    """A TLS socket for the time of the handshake."""

    _sock: ssl.SSLSocket

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        server_side: bool,
        server_hostname: str | None,
    ):
        try:
            sock.setblocking(False)
            secure = context.wrap_socket(
                sock,
                server_side=server_side,
                server_hostname=server_hostname,
                do_handshake_on_connect=False,
            )
        except BaseException:
            sock.close()
            raise
        self._server_side = server_side
        super().__init__(secure)

    def establish(self) -> bool:
        try:
            self._sock.do_handshake()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            self.events = _events(error)
            return False
        except ssl.SSLError as error:
            if not self._server_side:
                raise
            raise AuthenticationError(
                f"the other side failed the TLS handshake: {error}"
            ) from error
        return True

    def recv(self, size: int) -> bytes | None:
        try:
            return self._sock.recv(size)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            self.events = _events(error)
            return None

    def send(self, data: bytes) -> int:
        try:
            return self._sock.send(data)
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
            self.events = _events(error)
            return 0

    def connection(self) -> _ConnectionBase:
        return TLSConnection(self._sock)


def _events(error: ssl.SSLError) -> int:
    """Return the events for poll(2) that the TLS library waits for."""
    return select.POLLOUT if isinstance(error, ssl.SSLWantWriteError) else select.POLLIN


class TLSConnection(_ConnectionBase):
    """A connection through TLS. It cannot be sent to another process, which has not its keys.

    Args:
        sock: a TLS socket after its handshake, which does not block.
    """

    def __init__(self, sock: ssl.SSLSocket):
        super().__init__(sock.fileno())
        self._sock = sock
        self._ahead = bytearray()  # decrypted, and not received yet
        self._ended = False
        self._lock = allocate_lock()

    def __reduce__(self) -> NoReturn:
        raise TypeError("a TLS connection cannot be pickled: its keys stay in this process")

    def _close(self) -> None:
        self._sock.close()

    def _write(self, parts: list[Part]) -> None:
        # One call for all parts: each call makes a record, and a packet, of its own.
        data = memoryview(b"".join(parts))
        while data:
            data = data[self._when_ready(self._sock.send, data) :]

    def _read(self, size: int, begun: bool) -> bytes:
        while len(self._ahead) < size:
            if not self._read_record():
                if begun or self._ahead:
                    raise OSError("got end of file during message")
                raise EOFError
        data = bytes(memoryview(self._ahead)[:size])
        del self._ahead[:size]
        return data

    def _read_into(self, target: memoryview) -> None:
        target[:] = self._read(len(target), begun=True)

    def _read_record(self) -> bool:
        """Decrypt one record, waiting for it; return False at the end of the stream.

        It asks for no more than a record: the interpreter allocates all that is asked for, which
        would be as much as a header of a peer claims.
        """
        data = b"" if self._ended else self._when_ready(self._sock.recv, _RECORD_BYTES)
        self._ahead += data
        self._ended = not data
        return bool(data)

    def _when_ready(self, call: Any, argument: Any) -> Any:
        while True:
            try:
                with self._lock:
                    return call(argument)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError) as error:
                events = _events(error)
            wait_events(self._open_handle(), events)

    # ----------------------------------------------------------------------------------- waiting

    def _poll(self, timeout: float | None) -> bool:
        deadline = Deadline(timeout)
        while not self.ready():
            if not wait_readable(self._open_handle(), deadline):
                return False
        return True

    def _wait_source(self) -> TLSConnection:
        """Return the source for `wait`: the connection itself."""
        return self

    def ready(self) -> bool:
        """Read what has arrived, and return whether there is something to receive, or the end."""
        if not self._ahead and not self._ended:
            try:
                with self._lock:
                    data = self._sock.recv(_RECORD_BYTES)
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                return False  # part of a record, or none of the program's data
            self._ahead += data
            self._ended = not data
        return True

    def done(self) -> None:
        """Do nothing: `wait` needed no preparation."""
