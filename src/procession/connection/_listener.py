"""Listeners and their clients: connections between processes that are not related.

Idea: a listener is a socket at an address, with an acceptor (see `_acceptor`). A client connects to
it and does the client's half of the handshake.

Invariant: when a step fails, a socket that was made before is closed and its file is removed.

Layer: ipc; imports the base layer and `resource_tracker`. `connection` imports this on first use,
as it needs `socket`.
"""

from __future__ import annotations

import socket
import struct
from functools import partial

from .. import util
from .._base.deadline import Deadline
from .._base.poll import wait_readable
from . import _auth, _handshake, _socket_file
from ._acceptor import Acceptor, try_accept
from ._address import address_type, arbitrary_address, default_family, validate_family
from ._fd_connection import Connection
from ._handshake import ConnectionTimeout, Handshake, SocketLink

TYPE_CHECKING = False
if TYPE_CHECKING:
    import ssl
    from types import TracebackType
    from typing import Any, Self

    from ._address import Address


class SocketListener:
    """A socket bound to *address*, listening.

    Raises:
        OSError: the address is taken, not allowed or not of this machine.
    """

    def __init__(self, address: Address, family: str, backlog: int = 1):
        self._family = family
        self._last_accepted: Any = None
        self._unlink: util.Finalize | None = None
        self._socket = socket.socket(getattr(socket, family))
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == "AF_UNIX" and not util.is_abstract_socket_namespace(address):
                self._unlink = _socket_file.bind(self._socket, address, self)
            else:
                self._socket.bind(address)
            self._socket.listen(backlog)
            # Another process may accept a peer between poll(2) and accept(2).
            self._socket.setblocking(False)
            self._address = self._socket.getsockname()
        except BaseException:
            self.close()
            raise

    def accept(self) -> Connection:
        """Return a connection to the next peer, waiting for one; there is no handshake."""
        return Connection(self.accept_socket(Deadline(self.default_timeout())).detach())

    def accept_socket(self, deadline: Deadline) -> socket.socket:
        """Return the socket of the next peer.

        Raises:
            ConnectionTimeout: no peer connected before *deadline*.
        """
        while True:
            accepted = try_accept(self._socket)
            if accepted is not None:
                sock, self._last_accepted = accepted
                return prepared(sock)
            if not wait_readable(self._socket.fileno(), deadline):
                raise ConnectionTimeout("no connection was accepted in time")

    def default_timeout(self) -> float | None:
        """Seconds, if the program gave the socket itself a timeout; else None."""
        return self._socket.gettimeout() or None

    def close(self) -> None:
        """Close the socket and remove its file."""
        try:
            self._socket.close()
        finally:
            unlink, self._unlink = self._unlink, None
            if unlink is not None:
                unlink()


class Listener:
    """An address to which clients connect.

    Args:
        address: a path, or a pair of host and port; a fresh one of *family* if None.
        family: 'AF_UNIX', 'AF_INET' or 'AF_INET6'; that of the address if None.
        backlog: how many clients may wait for `accept`, as for ``socket.listen``.
        authkey: the key that clients must know; None accepts every client.
        ssl_context: a context for the server's side; connections then go through TLS.
    Raises:
        OSError: the address is taken, not allowed or not of this machine.
        TypeError: *authkey* is not `bytes`.
        ValueError: there is no such family.
    """

    def __init__(
        self,
        address: Address | None = None,
        family: str | None = None,
        backlog: int = 1,
        authkey: bytes | None = None,
        *,
        ssl_context: ssl.SSLContext | None = None,
    ):
        _check_key(authkey)
        if authkey is not None:
            _auth.load()
        family = family or (address_type(address) if address else default_family)
        validate_family(family)
        self._listener: SocketListener | None = SocketListener(
            address or arbitrary_address(family), family, backlog
        )
        # Not a method of this object: a listener that nothing else refers to must be collected, as
        # its socket's file is removed with it.
        self._acceptor = Acceptor(
            self._listener._socket, partial(_start_handshake, authkey, ssl_context)
        )

    def accept(self, timeout: float | None = None) -> Any:
        """Return a connection to the next client that shows that it knows the key.

        A client that sends nothing or closes its end is disconnected; no client waits for another.

        Args:
            timeout: seconds, for everything together; None waits for ever.
        Raises:
            AuthenticationError: a client has another key; it was told so and disconnected.
            TimeoutError: no client in time. It is `procession.TimeoutError` and the built-in one.
            OSError: the listener is closed; another thread may close it meanwhile.
        """
        listener = self._open_listener()
        deadline = Deadline(listener.default_timeout() if timeout is None else timeout)
        try:
            return self._acceptor.accept(deadline)
        finally:
            listener._last_accepted = self._acceptor.last_address

    def close(self) -> None:
        """Close the listener; closing it again does nothing."""
        listener, self._listener = self._listener, None
        if listener is not None:
            self._acceptor.close()
            listener.close()

    @property
    def address(self) -> Address:
        """The address of the listener: a path, or a tuple that begins with host and port."""
        return self._open_listener()._address

    @property
    def last_accepted(self) -> Any:
        """The address of the last client; None if there was no client, or it has no address."""
        return self._open_listener()._last_accepted

    def _open_listener(self) -> SocketListener:
        if self._listener is None:
            raise OSError("listener is closed")
        return self._listener

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def Client(
    address: Address,
    family: str | None = None,
    authkey: bytes | None = None,
    *,
    ssl_context: ssl.SSLContext | None = None,
    timeout: float | None = None,
) -> Any:
    """Return a connection to the listener at *address*.

    Args:
        address, family, authkey: as for `Listener`.
        ssl_context: a context for the client's side, if the listener has one.
        timeout: seconds for everything together. None waits until the listener calls ``accept``;
            when it has answered, the rest of the handshake must be complete within ten seconds.
    Raises:
        AuthenticationError: the listener has another key.
        TimeoutError: it took too long; see `Listener.accept`.
        OSError: no listener is there, or it has ended; or, as ssl.SSLError, TLS failed.
        EOFError: the listener closed the connection during the handshake.
    """
    family = family or address_type(address)
    validate_family(family)
    _check_key(authkey)
    deadline = Deadline(timeout)
    sock = _connect(address, family, deadline)
    if authkey is None and ssl_context is None:
        return Connection(sock.detach())
    host = None if family == "AF_UNIX" else address[0]
    link = make_link(sock, ssl_context, server_side=False, server_hostname=host)
    return _handshake.complete(Handshake(link, authkey, as_listener=False), deadline)


def SocketClient(address: Address) -> Connection:
    """Return a connection to the socket at *address*, without any handshake."""
    return Connection(_connect(address, address_type(address), Deadline(None)).detach())


# ------------------------------------------------------------------------------------------ sockets


def make_link(
    sock: socket.socket,
    ssl_context: ssl.SSLContext | None,
    server_side: bool,
    server_hostname: str | None = None,
) -> SocketLink:
    """Return the link of a handshake over *sock*, which belongs to the link from now on."""
    if ssl_context is None:
        return SocketLink(sock)
    from ._tls import TLSLink  # on first use: importing ssl takes longer than all the rest

    return TLSLink(sock, ssl_context, server_side, server_hostname)


def _start_handshake(
    authkey: bytes | None, ssl_context: ssl.SSLContext | None, sock: socket.socket
) -> Handshake:
    """Return the listener's half of a handshake over *sock*, which was accepted."""
    link = make_link(prepared(sock), ssl_context, server_side=True)
    return Handshake(link, authkey, as_listener=True)


def prepared(sock: socket.socket) -> socket.socket:
    """Return *sock*, which is connected, set up for a connection: it blocks, and sends at once."""
    sock.setblocking(True)
    if sock.family != socket.AF_UNIX:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def _connect(address: Address, family: str, deadline: Deadline) -> socket.socket:
    """Return a socket connected to *address*."""
    sock = socket.socket(getattr(socket, family))
    try:
        sock.setblocking(True)
        remaining = deadline.remaining()
        if remaining is None:
            sock.connect(address)
        else:
            _connect_within(sock, address, remaining)
        return prepared(sock)
    except BaseException:
        sock.close()
        raise


def _connect_within(sock: socket.socket, address: Address, seconds: float) -> None:
    """Connect *sock*, waiting up to *seconds* for room in the listener's queue.

    A Unix socket that does not block fails at once where the queue is full. One with a time limit
    for sending waits so long, and so does a TCP socket.
    """
    microseconds = max(1, int(seconds * 1_000_000))
    limit = struct.pack("ll", *divmod(microseconds, 1_000_000))
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
    try:
        sock.connect(address)
    except BlockingIOError as error:  # EAGAIN or EINPROGRESS: the limit is over
        raise ConnectionTimeout(f"no connection to {address!r} in {seconds:.3g} s") from error
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", 0, 0))


def _check_key(authkey: bytes | None) -> None:
    if authkey is not None and not isinstance(authkey, bytes):
        raise TypeError(f"authkey should be a byte string, not {type(authkey).__name__}")
