"""Passing descriptors through Unix sockets.

Idea: a message with at least one byte of data can carry descriptors (SCM_RIGHTS); the kernel makes
descriptors of the receiver of them. The byte says how many there are.

Invariant: a descriptor that is received is closed when the process executes another program, and
closed at once if the number of descriptors is not the announced one.

Layer: ipc; imports the standard library only; `socket` and `array` on first use, as they take
longer to import than all the rest.
"""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Iterable
    from typing import Protocol

    class HasDescriptor(Protocol):
        """A connection, or anything else with a descriptor."""

        def fileno(self) -> int:
            """The descriptor."""


# Unix sockets carry descriptors on every system this package supports.
HAVE_SEND_HANDLE = True


def sendfds(sock: socket.socket, fds: Iterable[int]) -> None:
    """Send the descriptors *fds* over the Unix socket *sock*.

    Raises:
        OSError: the other end is closed, or one of *fds* is no open descriptor.
    """
    import array
    import socket

    numbers = array.array("i", fds)
    # With their number the receiver can check what arrives.
    socket.send_fds(sock, [bytes([len(numbers) % 256])], numbers)


def recvfds(sock: socket.socket, size: int) -> list[int]:
    """Receive up to *size* descriptors, which `sendfds` sent, from the Unix socket *sock*.

    Returns:
        The new descriptors; programs that this process executes do not inherit them.
    Raises:
        EOFError: the other end is closed.
        RuntimeError: what arrived is not as many descriptors as were announced.
    """
    import array
    import socket

    # Not socket.recv_fds, which ignores its argument *flags*.
    room = socket.CMSG_LEN(size * array.array("i").itemsize)
    data, ancillary, flags, _ = sock.recvmsg(1, room, socket.MSG_CMSG_CLOEXEC)
    fds = _parse_rights(ancillary)
    if not data and not fds:
        raise EOFError
    if fds and not flags & socket.MSG_CTRUNC and len(fds) % 256 == data[0]:
        return fds
    for fd in fds:
        os.close(fd)
    raise RuntimeError(
        f"Invalid data received: {len(data)} bytes came with {len(fds)} descriptors; the other "
        f"side has to use send_handle() or sendfds() where this one uses recv_handle()"
    )


def _parse_rights(ancillary: Iterable[tuple[int, int, bytes]]) -> list[int]:
    """Return the descriptors that came with a message."""
    import array
    import socket

    numbers = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return numbers.tolist()


def send_handle(conn: HasDescriptor, handle: int, destination_pid: int | None = None) -> None:
    """Send the descriptor *handle* over *conn*, an end of ``Pipe()`` or of a Unix socket.

    Args:
        destination_pid: not used; other systems need it.
    """
    sock = _borrow(conn)
    try:
        sendfds(sock, [handle])
    finally:
        sock.detach()


def recv_handle(conn: HasDescriptor) -> int:
    """Receive a descriptor that `send_handle` sent at the other end of *conn*.

    Raises: as `recvfds`.
    """
    sock = _borrow(conn)
    try:
        return recvfds(sock, 1)[0]
    finally:
        sock.detach()


def _borrow(conn: HasDescriptor) -> socket.socket:
    """Return a socket object over the descriptor of *conn*; to be detached, never closed."""
    import socket

    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=conn.fileno())
