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

from . import payload

_HEADER = struct.Struct("=16sIB")  # key; the slot with what the child needs; whether it is bound
_ANSWER = struct.Struct("=bqq")

# Fits, with the header, into any socket's buffer; the kernel copies it, a memory file costs more.
LARGEST_INLINE = 32 * 1024
MOST_DESCRIPTORS = 253  # of one message: SCM_MAX_FD of Linux

_SPACE_FOR_FDS = socket.CMSG_SPACE(MOST_DESCRIPTORS * array("i").itemsize)
_CREDENTIALS = struct.Struct("=iII")  # struct ucred: pid, uid, gid
_SPACE = _SPACE_FOR_FDS + socket.CMSG_SPACE(_CREDENTIALS.size)
_SIZE = _HEADER.size + LARGEST_INLINE


class Request:
    """A child to be forked.

    Attributes:
        token: the slot that holds, for the child, what its process object refers to.
        bond: whether the child dies with the client.
        data: the two pickles that make the child.
        status: descriptor that the answers are written to.
        lifeline: descriptor that reports the client's end.
        others: descriptors on their way to the child.
        uid: user id of the sender, as the kernel says; of a received request.
        key: what only members of the family know: its arena's random name.
    """

    def __init__(  # a dataclass would import inspect, which costs a tenth of the server's start
        self,
        token: int,
        bond: bool,
        data: bytes,
        status: int,
        lifeline: int,
        others: list[int],
        uid: int = -1,
        key: bytes = b"",
    ):
        self.token, self.bond, self.data = token, bond, data
        self.status, self.lifeline, self.others = status, lifeline, others
        self.uid, self.key = uid, key

    @property
    def descriptors(self) -> list[int]:
        """All the descriptors."""
        return [self.status, self.lifeline, *self.others]

    def close(self) -> None:
        """Close the descriptors, in the receiver."""
        for fd in self.descriptors:
            os.close(fd)


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
    header = _HEADER.pack(request.key, request.token, request.bond)
    if len(request.data) <= LARGEST_INLINE:
        _send(sock, header + request.data, request.descriptors)
        return
    file = payload.in_memory_file(request.data)
    try:
        _send(sock, header, [*request.descriptors, file])
    finally:
        os.close(file)


def _send(sock: socket.socket, message: bytes, fds: list[int]) -> None:
    attached = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))
    sock.sendmsg([message], [attached], socket.MSG_NOSIGNAL)


def receive(sock: socket.socket) -> Request | None:
    """Return the next request; None when all clients are gone.

    Raises:
        ValueError: what came is no request.
    """
    message, ancillary, flags, _ = sock.recvmsg(_SIZE, _SPACE, socket.MSG_CMSG_CLOEXEC)
    fds, uid = _unpack(ancillary)
    if not message:
        return None
    assert not flags & socket.MSG_CTRUNC, "descriptors of a request were lost"
    if len(message) < _HEADER.size or len(fds) < 2:
        for fd in fds:
            os.close(fd)
        raise ValueError(f"{len(message)} bytes with {len(fds)} descriptors are no request")
    key, token, bond = _HEADER.unpack_from(message)
    data = message[_HEADER.size :]
    if not data:
        with open(fds.pop(), "rb", closefd=True) as file:
            data = file.read()
    return Request(token, bool(bond), data, fds[0], fds[1], fds[2:], uid, key)


def _unpack(ancillary: list[tuple[int, int, bytes]]) -> tuple[list[int], int]:
    """Return the descriptors that came with a message, and the user id of its sender."""
    fds, uid = array("i"), -1
    for level, kind, data in ancillary:
        if level != socket.SOL_SOCKET:
            continue
        if kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
        elif kind == socket.SCM_CREDENTIALS:
            uid = _CREDENTIALS.unpack(data)[1]
    return list(fds), uid


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


def write_answer(fd: int, kind: int, pid: int, number: int = 0) -> None:
    """Write an answer to the pipe *fd*, whose reader may be gone."""
    try:
        os.write(fd, _ANSWER.pack(kind, pid, number))
    except BrokenPipeError:
        return
