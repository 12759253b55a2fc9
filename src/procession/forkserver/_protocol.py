"""What a client tells the fork server, and what it hears from it.

Idea: one message of a sequenced-packet socket is one request: whole or absent, from whichever of
the many processes that share the socket, with the child's descriptors attached. A large payload
goes as a memory file among them. The answers come by a pipe of the child's own: that it was
started, by the child itself, or what went wrong; and at the end its exit code, by the server. So a
pipe that closes without an answer means that there is no child, and the request may be repeated.

Invariant: the descriptors of a received request belong to the receiver, who closes them.

Layer: process; imports base.
"""

from __future__ import annotations

import os
import socket
import struct
from array import array

from .._launch import start_data

# Key; the slot with what the child needs; whether it dies with the client; which of the descriptors
# on their way to it reports the root's end; whether the payload is a file; whether it is deaf.
_HEADER = struct.Struct("=16sIBBBB")
_NO_ROOT = 255  # more than there can be descriptors
_ANSWER = struct.Struct("=bqq")

# Fits, with the header, into any socket's buffer; the kernel copies it, a memory file costs more.
LARGEST_INLINE = 32 * 1024
MOST_DESCRIPTORS = 253  # of one message: SCM_MAX_FD of Linux

_SPACE_FOR_FDS = socket.CMSG_SPACE(MOST_DESCRIPTORS * array("i").itemsize)
_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_SPACE = _SPACE_FOR_FDS + socket.CMSG_SPACE(_CREDENTIALS.size)
_SIZE = 1 + _HEADER.size + LARGEST_INLINE


class Request:
    """A child to be forked.

    Attributes:
        token: the slot that holds, for the child, what its process object refers to.
        status: descriptor that the answers are written to.
        lifeline: descriptor that reports the client's end.
        others: descriptors on their way to the child.
        bond: whether the child dies with the client.
        root: the place in *others* of what reports the end of the family's root, if the child dies
            with that; None if it does not.
        data: the two pickles that make the child; empty if they are in a file.
        file: descriptor of that, -1 for none.
        uid: user id of the sender, as the kernel says; of a received request.
        key: what only members of the family know: its arena's random name.
        deaf: whether SIGINT is blocked in the child at first, as it is in the client's thread.
    """

    def __init__(  # a dataclass would import inspect, which costs a tenth of the server's start
        self,
        token: int,
        status: int,
        lifeline: int,
        others: list[int],
        *,
        bond: bool = False,
        root: int | None = None,
        data: bytes = b"",
        file: int = -1,
        uid: int = -1,
        key: bytes = b"",
        deaf: bool = False,
    ):
        self.token, self.status, self.lifeline, self.others = token, status, lifeline, others
        self.bond, self.root, self.data, self.file = bond, root, data, file
        self.uid, self.key, self.deaf = uid, key, deaf

    @property
    def descriptors(self) -> list[int]:
        """All the descriptors."""
        file = [] if self.file < 0 else [self.file]
        return [self.status, self.lifeline, *self.others, *file]

    @property
    def ends(self) -> tuple[int, ...]:
        """The lifelines of those that the child dies with."""
        root = () if self.root is None else (self.others[self.root],)
        return (*root, self.lifeline) if self.bond else root

    @property
    def message(self) -> bytes:
        """What is sent of it beside the descriptors."""
        root = _NO_ROOT if self.root is None else self.root
        flags = self.bond, root, self.file >= 0, self.deaf
        return _HEADER.pack(self.key, self.token, *flags) + self.data

    def close(self) -> None:
        """Close the descriptors, in the receiver."""
        for fd in self.descriptors:
            os.close(fd)

    def take_data(self) -> bytes:
        """Return the two pickles, in the child; their file is closed."""
        if self.file < 0:
            return self.data
        with open(self.file, "rb", closefd=True) as file:
            self.file = -1
            return file.read()


def send(sock: socket.socket, request: Request) -> None:
    """Send *request*; its descriptors stay open here.

    Raises:
        ValueError: too many descriptors.
        OSError: there is no server any more.
    """
    if len(request.descriptors) >= MOST_DESCRIPTORS:
        raise ValueError(
            f"a process can be given {MOST_DESCRIPTORS - 3} descriptors by the start method "
            f"'forkserver', not {len(request.others)}; send the others later, through a connection"
        )
    if len(request.data) <= LARGEST_INLINE:
        _send(sock, request.message, request.descriptors)
        return
    request.file, request.data = start_data.in_memory_file(request.data), b""
    try:
        _send(sock, request.message, request.descriptors)
    finally:
        os.close(request.file)


def _send(sock: socket.socket, message: bytes, fds: list[int]) -> None:
    attached = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))
    sock.sendmsg([message], [attached], socket.MSG_NOSIGNAL)


def receive(sock: socket.socket) -> Request | None:
    """Return the next request; None when all clients are gone.

    Raises:
        ValueError: what came is no request.
    """
    message, fds, uid = _receive(sock)
    if not message:
        return None
    try:
        return _read(message, fds, uid)
    except ValueError:
        for fd in fds:
            os.close(fd)
        raise


def forward(sock: socket.socket, request: Request, bonds: list[int]) -> None:
    """Send a received request on to the child that it shall make, with what to tie that by.

    Raises:
        ValueError: too many descriptors.
        OSError: the other end is closed.
    """
    if len(bonds) + len(request.descriptors) > MOST_DESCRIPTORS:
        raise ValueError("too many descriptors for one message")
    _send(sock, bytes([len(bonds)]) + request.message, [*bonds, *request.descriptors])


def receive_forwarded(sock: socket.socket) -> tuple[Request, list[int]] | None:
    """Return the request and the bonds that the server has sent on; None if it never will."""
    message, fds, _ = _receive(sock)
    if not message:
        return None
    bonds = message[0]
    return _read(message[1:], fds[bonds:], -1), fds[:bonds]


def _receive(sock: socket.socket) -> tuple[bytes, list[int], int]:
    """Return a message, the descriptors that came with it, and the user id of its sender."""
    message, ancillary, flags, _ = sock.recvmsg(_SIZE, _SPACE, socket.MSG_CMSG_CLOEXEC)
    assert not flags & socket.MSG_CTRUNC, "descriptors of a request were lost"
    fds, uid = array("i"), -1
    for level, kind, data in ancillary:
        if level != socket.SOL_SOCKET:
            continue
        if kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        elif kind == socket.SCM_CREDENTIALS:
            uid = _CREDENTIALS.unpack(data)[1]
    return message, list(fds), uid


def _read(message: bytes, fds: list[int], uid: int) -> Request:
    """Return the request that a message is, with its descriptors; ValueError if it is none."""
    if len(message) >= _HEADER.size:
        key, token, bond, root, has_file, deaf = _HEADER.unpack_from(message)
        others = fds[2:-1] if has_file else fds[2:]
        if len(fds) - len(others) == 2 + has_file and (root == _NO_ROOT or root < len(others)):
            return Request(
                token,
                fds[0],
                fds[1],
                others,
                bond=bool(bond),
                root=None if root == _NO_ROOT else root,
                data=message[_HEADER.size :],
                file=fds[-1] if has_file else -1,
                uid=uid,
                key=key,
                deaf=bool(deaf),
            )
    raise ValueError(f"{len(message)} bytes with {len(fds)} descriptors are no request")


# ----------------------------------------------------------------------------------------- answers

STARTED, FAILED, ENDED = range(3)


def read_answer(fd: int) -> tuple[int, int, int]:
    """Return the next answer of the pipe *fd*: its kind, a process id, a number.

    The number of STARTED is 0, of FAILED the errno, of ENDED the exit code. The end of a child that
    could not even tell that it was there comes first, and has its process id too.

    Raises:
        EOFError: nobody is there who could answer: neither the server nor a child.
    """
    data = os.read(fd, _ANSWER.size)  # whole: a write of so few bytes to a pipe is atomic
    if not data:
        raise EOFError("the fork server ended before it answered")
    kind, pid, number = _ANSWER.unpack(data)
    return kind, pid, number


def write_answer(fd: int, kind: int, pid: int, number: int = 0) -> bool:
    """Write an answer to the pipe *fd*; False: its reader is gone."""
    try:
        os.write(fd, _ANSWER.pack(kind, pid, number))
    except BrokenPipeError:
        return False
    return True
