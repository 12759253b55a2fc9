"""The messages between the fork server and its clients.

Idea: one message of a sequenced-packet socket is one request: whole or absent, from whichever of
the many processes that share the socket, with the child's descriptors attached. Start data that are
too long for a message go in a memory file among the descriptors. The answers come by a socket of
the child's own: that it was started, with its pidfd, from the child itself, or what went wrong; and
at the end its exit code, from the server. So a socket that closes without an answer means that no
child has begun its target, and the request may be repeated.

Invariant: received data are not trusted: a message that is not a request raises ValueError, and the
descriptors that came with it are closed. Those of a received request belong to the receiver.

Layer: process; imports base.
"""

from __future__ import annotations

import os
import socket
import struct
from array import array
from contextlib import suppress

from .._launch import start_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

# key, token, die_with_parent, root, whether the start data are in a file, sigint_blocked
_HEADER = struct.Struct("=16sIBBBB")
_NO_ROOT = 255  # more than there can be descriptors
_ANSWER = struct.Struct("=bqq")

_PEEK = socket.MSG_PEEK | socket.MSG_CMSG_CLOEXEC
_ONE_FD_BYTES = socket.CMSG_SPACE(array("i").itemsize)

# With the header this fits into any socket's buffer. The kernel copies it; a file would cost more.
MAX_INLINE_BYTES = 32 * 1024
MAX_DESCRIPTORS = 253  # of one message: SCM_MAX_FD of Linux

_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_ANCILLARY_BYTES = socket.CMSG_SPACE(MAX_DESCRIPTORS * array("i").itemsize) + socket.CMSG_SPACE(
    _CREDENTIALS.size
)
_MESSAGE_BYTES = 1 + _HEADER.size + MAX_INLINE_BYTES


# Plain classes: a dataclass would import inspect, which costs a tenth of the server's start.


class Request:
    """What a client says of the child that it asks for.

    Attributes:
        key: what only members of the family know: its arena's random name.
        token: the slot that holds, for the child, what its process object refers to.
        data: the two pickles that make the child; empty if they are in a file.
        die_with_parent: whether the child dies with the client.
        root: which of `Descriptors.for_child` is the death pipe of the family's root, if the child
            dies with that; None if it does not.
        sigint_blocked: whether SIGINT is blocked in the child, as it is in the client's thread.
    """

    def __init__(
        self,
        key: bytes,
        token: int,
        data: bytes,
        *,
        die_with_parent: bool = False,
        root: int | None = None,
        sigint_blocked: bool = False,
    ):
        self.key, self.token, self.data = key, token, data
        self.die_with_parent, self.root = die_with_parent, root
        self.sigint_blocked = sigint_blocked

    def pack(self, *, data_in_file: bool) -> bytes:
        """Return the bytes of the message."""
        root = _NO_ROOT if self.root is None else self.root
        flags = self.die_with_parent, root, data_in_file, self.sigint_blocked
        return _HEADER.pack(self.key, self.token, *flags) + (b"" if data_in_file else self.data)


class Descriptors:
    """The descriptors of a request.

    Attributes:
        status: the socket that the answers are written to.
        parent_pipe: the client's death pipe.
        for_child: those that the child is given, which its start data name by their indexes.
        data_file: where the start data are, if they are not in the message; else -1.
    """

    def __init__(self, status: int, parent_pipe: int, for_child: list[int], data_file: int = -1):
        self.status, self.parent_pipe = status, parent_pipe
        self.for_child, self.data_file = for_child, data_file

    def all(self) -> list[int]:
        """Return them in the order in which they are sent."""
        file = [] if self.data_file < 0 else [self.data_file]
        return [self.status, self.parent_pipe, *self.for_child, *file]


class ReceivedRequest:
    """A request as it arrived.

    Attributes:
        request: what the client says.
        fds: this process's descriptors of it.
        uid: user id of the client, by the kernel's word; -1 if the server has sent the request on.
    """

    def __init__(self, request: Request, fds: Descriptors, uid: int):
        self.request, self.fds, self.uid = request, fds, uid

    @property
    def death_pipes(self) -> tuple[int, ...]:
        """The death pipes of the processes that the child dies with."""
        request, fds = self.request, self.fds
        root = () if request.root is None else (fds.for_child[request.root],)
        return (*root, fds.parent_pipe) if request.die_with_parent else root

    def read_data(self) -> bytes:
        """Return the start data; in the child, once: their file is closed."""
        if self.fds.data_file < 0:
            return self.request.data
        with open(self.fds.data_file, "rb", closefd=True) as file:
            self.fds.data_file = -1
            return file.read()


# ---------------------------------------------------------------------------------------- sending


def send(sock: socket.socket, request: Request, fds: Descriptors) -> None:
    """Send *request* to the server; its descriptors stay open here.

    Raises:
        ValueError: too many descriptors.
        OSError: there is no server any more.
    """
    if len(fds.for_child) > MAX_DESCRIPTORS - 3:
        raise ValueError(
            f"a process can be given {MAX_DESCRIPTORS - 3} descriptors by the start method "
            f"'forkserver', not {len(fds.for_child)}; send the others later, through a connection"
        )
    if len(request.data) <= MAX_INLINE_BYTES:
        _send(sock, request.pack(data_in_file=False), fds.all())
        return
    file = start_data.in_memory_file(request.data)
    try:
        _send(sock, request.pack(data_in_file=True), [*fds.all(), file])
    finally:
        os.close(file)


def forward(sock: socket.socket, received: ReceivedRequest, death_links: list[int]) -> None:
    """Send a received request on to the prefork child, with what links that to others' deaths.

    Raises:
        ValueError: too many descriptors.
        OSError: the other end is closed.
    """
    fds = [*death_links, *received.fds.all()]
    if len(fds) > MAX_DESCRIPTORS:
        raise ValueError("too many descriptors for one message")
    message = received.request.pack(data_in_file=received.fds.data_file >= 0)
    _send(sock, bytes([len(death_links)]) + message, fds)


def _send(sock: socket.socket, message: bytes, fds: list[int]) -> None:
    attached = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))
    sock.sendmsg([message], [attached], socket.MSG_NOSIGNAL)


# --------------------------------------------------------------------------------------- receiving


def receive(sock: socket.socket) -> ReceivedRequest | None:
    """Return the next request; None when all clients are gone.

    Raises:
        ValueError: what came is no request.
    """
    message, fds, uid = _receive(sock)
    if not message:
        return None
    try:
        return _parse(message, fds, uid)
    except ValueError:
        _close(fds)
        raise


def receive_forwarded(sock: socket.socket) -> tuple[ReceivedRequest, list[int]] | None:
    """Return the request and the death links that the server has sent on; None if it has ended.

    Raises:
        ValueError: what came is no request.
    """
    message, fds, _ = _receive(sock)
    if not message:
        return None
    links = message[0]
    try:
        return _parse(message[1:], fds[links:], uid=-1), fds[:links]
    except ValueError:
        _close(fds)
        raise


def _receive(sock: socket.socket) -> tuple[bytes, list[int], int]:
    """Return a message, the descriptors that came with it, and the user id of its sender."""
    message, ancillary, flags, _ = sock.recvmsg(
        _MESSAGE_BYTES, _ANCILLARY_BYTES, socket.MSG_CMSG_CLOEXEC
    )
    fds, uid = array("i"), -1
    for level, kind, data in ancillary:
        if level != socket.SOL_SOCKET:
            continue
        if kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        elif kind == socket.SCM_CREDENTIALS:
            uid = _CREDENTIALS.unpack(data)[1]
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        _close(fds)
        raise ValueError("a part of a request was lost: it is too long, or no descriptor is left")
    return message, list(fds), uid


def _close(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def _parse(message: bytes, fds: list[int], uid: int) -> ReceivedRequest:
    """Return the request that a message is, with its descriptors; ValueError if it is none."""
    if len(message) >= _HEADER.size:
        key, token, die_with_parent, root, data_in_file, blocked = _HEADER.unpack_from(message)
        for_child = fds[2:-1] if data_in_file else fds[2:]
        expected = 2 + len(for_child) + bool(data_in_file)
        if len(fds) == expected and (root == _NO_ROOT or root < len(for_child)):
            request = Request(
                key,
                token,
                message[_HEADER.size :],
                die_with_parent=bool(die_with_parent),
                root=None if root == _NO_ROOT else root,
                sigint_blocked=bool(blocked),
            )
            file = fds[-1] if data_in_file else -1
            return ReceivedRequest(request, Descriptors(fds[0], fds[1], for_child, file), uid)
    raise ValueError(f"{len(message)} bytes with {len(fds)} descriptors are no request")


# ----------------------------------------------------------------------------------------- answers

STARTED, FAILED, ENDED = range(3)


def read_answer(fd: int) -> tuple[int, int, int]:
    """Return the next answer from *fd*: its kind, a process id, a number.

    The number of FAILED is the errno, of ENDED the exit code. If a child ends before it could say
    that it has started, its end is the first answer, and has the process id too.

    Raises:
        EOFError: no process is left that could answer: neither the server nor a child.
    """
    return _unpack_answer(os.read(fd, _ANSWER.size))


def peek_start(fd: int) -> tuple[int, int, int, int | None]:
    """Return what `read_answer` will, and the pidfd that came with it, if any.

    The number of STARTED is 1 if the child has sent a pidfd. That none arrives means then that this
    process has no descriptor left.
    """
    with _as_socket(fd) as sock:
        data, ancillary, _, _ = sock.recvmsg(_ANSWER.size, _ONE_FD_BYTES, _PEEK)
    fds = array("i")
    for level, kind, content in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS) and len(content) >= fds.itemsize:
            fds.frombytes(content[: fds.itemsize])
    return *_unpack_answer(data), fds[0] if fds else None


def _unpack_answer(data: bytes) -> tuple[int, int, int]:
    if not data:
        raise EOFError("the fork server ended before it answered")
    kind, pid, number = _ANSWER.unpack(data)  # whole: a message of a socket that keeps them apart
    return kind, pid, number


def write_start(fd: int, pid: int, pidfd: int | None) -> bool:
    """Write that the child has started, with its pidfd; return False if the reader is gone."""
    if pidfd is None:
        return write_answer(fd, STARTED, pid)
    try:
        with _as_socket(fd) as sock:
            _send(sock, _ANSWER.pack(STARTED, pid, 1), [pidfd])
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True


def refuse_answers(fd: int) -> None:
    """Have all later writes of answers fail; the earlier ones can still be read."""
    with _as_socket(fd) as sock, suppress(OSError):  # both other ends are closed already
        sock.shutdown(socket.SHUT_RD)


class _as_socket:
    """A socket object for a descriptor, for the body of a ``with``; the descriptor stays open."""

    def __init__(self, fd: int):
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=fd)

    def __enter__(self) -> socket.socket:
        return self._sock

    def __exit__(self, *_: object) -> None:
        self._sock.detach()


def write_answer(fd: int, kind: int, pid: int, number: int = 0) -> bool:
    """Write an answer to *fd*; return False if its reader is gone."""
    try:
        os.write(fd, _ANSWER.pack(kind, pid, number))
    except (BrokenPipeError, ConnectionResetError):
        return False
    return True
