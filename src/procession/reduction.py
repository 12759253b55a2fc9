"""Pickling for other processes, and passing descriptors to them.

Idea: a pickler whose table of reducers is the one of `copyreg` plus what was registered here, so
that things which only make sense between processes (sockets, descriptors, shared objects) can
travel between them and are refused elsewhere. The table is merged when one of the two has changed,
not for each object pickled; the pickler writes into a list, so a large `bytes` is never copied.

Invariant: a descriptor in a message is a duplicate of its own: the sender may close the original
as soon as the call that pickled it has returned.

Layer: ipc; imports the base layer; `socket` and `resource_sharer` on first use.
"""

from __future__ import annotations

import array
import copyreg
import os
import pickle
import sys
from collections.abc import Callable, Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from . import _ambient, _core

if TYPE_CHECKING:
    import socket

    from .connection import Connection

__all__ = [
    "AbstractReducer",
    "DupFd",
    "ForkingPickler",
    "dump",
    "recv_handle",
    "recvfds",
    "register",
    "send_handle",
    "sendfds",
]

# Unix sockets carry descriptors on every system this package supports.
HAVE_SEND_HANDLE = True

Piece = bytes | bytearray | memoryview
_Reducer = Callable[[Any], Any]

# ------------------------------------------------------------------------------------- the pickler


class _Pieces(list[Any]):
    """What a pickler writes, uncopied; one piece as a rule, more around large binary objects."""

    __slots__ = ()
    write = list.append


class ForkingPickler(pickle.Pickler):
    """A pickler that also knows the types registered for travel between processes.

    Args: as for `pickle.Pickler`.
    """

    _extra_reducers: dict[type, _Reducer] = {}  # noqa: RUF012 - shared by all on purpose

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _know_sockets()
        # A copy of its own: programs add to the table of one pickler.
        self.dispatch_table = {**copyreg.dispatch_table, **self._extra_reducers}

    @classmethod
    def register(cls, type: type, reduce: _Reducer) -> None:
        """Use *reduce* for objects of exactly *type*; it returns what ``__reduce__`` may return."""
        cls._extra_reducers[type] = reduce
        # Channels try plain pickle first, which knows nothing of *reduce*.
        _core.set_plain_pickle(False)

    @classmethod
    def dumps(cls, obj: Any, protocol: int | None = None) -> memoryview:
        """Return *obj* pickled, as a buffer of bytes.

        Raises:
            pickle.PicklingError, TypeError, AttributeError: something in *obj* cannot be pickled.
        """
        if cls is ForkingPickler:
            parts = pieces(obj, protocol)
            return memoryview(parts[0] if len(parts) == 1 else b"".join(parts))
        buffer = BytesIO()
        cls(buffer, protocol).dump(obj)
        return buffer.getbuffer()

    loads = staticmethod(pickle.loads)


class _Pickler(pickle.Pickler):
    """`ForkingPickler` for `pieces`: the same table, which nobody changes in place.

    A table of the class and no ``__init__`` make an instance as cheap as a plain pickler.
    """

    dispatch_table: dict[type, _Reducer] = {}  # noqa: RUF012 - replaced as a whole, see `pieces`


_seen_copyreg: dict[Any, Any] | None = None
_seen_extra: dict[type, _Reducer] | None = None
_extra = ForkingPickler._extra_reducers


def pieces(
    obj: Any,
    protocol: int | None = None,
    buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None,
) -> list[Piece]:
    """Return *obj* pickled, in parts to be written one after the other.

    Large `bytes` inside *obj* are parts of their own, not copies. *buffer_callback* is that of
    `pickle.Pickler`.

    Raises: as `ForkingPickler.dumps`.
    """
    # Comparing these small tables costs less than a miss in a table that merges as it is asked.
    if (
        copyreg.dispatch_table != _seen_copyreg
        or _extra != _seen_extra
        or (_sockets_unknown and "socket" in sys.modules)
    ):
        _merge_tables()
    parts = _Pieces()
    _Pickler(parts, protocol, buffer_callback=buffer_callback).dump(obj)
    return parts


def explained(error: Exception, obj: Any) -> Exception:
    """Return *error*, raised by pickling *obj*, with the place of the trouble behind its words."""
    if type(error) not in (pickle.PicklingError, TypeError, AttributeError):
        return error  # of the program's own making, with arguments of its own
    from ._explain import explanation

    return type(error)(f"{error}; {explanation('obj', obj, ForkingPickler.dumps)}")


def _merge_tables() -> None:
    """Make the table anew. Threads that pickle meanwhile keep the one they began with."""
    global _seen_copyreg, _seen_extra
    _know_sockets()
    _seen_copyreg, _seen_extra = dict(copyreg.dispatch_table), dict(_extra)
    _Pickler.dispatch_table = {**_seen_copyreg, **_seen_extra}


register = ForkingPickler.register


def dump(obj: Any, file: Any, protocol: int | None = None) -> None:
    """Write *obj*, pickled for another process, to the binary *file*."""
    ForkingPickler(file, protocol).dump(obj)


# ------------------------------------------------------------------------ descriptors over a socket


def sendfds(sock: socket.socket, fds: Iterable[int]) -> None:
    """Send the descriptors *fds* over the Unix socket *sock*.

    Raises:
        OSError: the other side has gone, or one of *fds* is no open descriptor.
    """
    import socket

    numbers = array.array("i", fds)
    # The one byte they ride on says how many they are: what arrives can be checked.
    socket.send_fds(sock, [bytes([len(numbers) % 256])], numbers)


def recvfds(sock: socket.socket, size: int) -> list[int]:
    """Receive up to *size* descriptors, which `sendfds` sent, from the Unix socket *sock*.

    Returns:
        The new descriptors; programs that this process executes do not inherit them.
    Raises:
        EOFError: the other side has closed.
        RuntimeError: what arrived is something else than descriptors.
    """
    import socket

    # Not socket.recv_fds: it makes no use of its flags.
    room = socket.CMSG_LEN(size * array.array("i").itemsize)
    data, ancillary, flags, _ = sock.recvmsg(1, room, socket.MSG_CMSG_CLOEXEC)
    fds = _descriptors_in(ancillary)
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


def _descriptors_in(ancillary: Iterable[tuple[int, int, bytes]]) -> list[int]:
    """The descriptors that came with a message."""
    import socket

    numbers = array.array("i")
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
            numbers.frombytes(data[: len(data) - len(data) % numbers.itemsize])
    return numbers.tolist()


def send_handle(conn: Connection, handle: int, destination_pid: int | None = None) -> None:
    """Send the descriptor *handle* over *conn*, an end of ``Pipe()`` or of a Unix socket.

    Args:
        destination_pid: not used; other systems need it.
    """
    sock = _borrow(conn)
    try:
        sendfds(sock, [handle])
    finally:
        sock.detach()


def recv_handle(conn: Connection) -> int:
    """Receive a descriptor which `send_handle` sent at the other end of *conn*.

    Raises: as `recvfds`.
    """
    sock = _borrow(conn)
    try:
        return recvfds(sock, 1)[0]
    finally:
        sock.detach()


def _borrow(conn: Connection) -> socket.socket:
    """A socket object over the descriptor of *conn*; to be detached, never closed."""
    import socket

    return socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, fileno=conn.fileno())


def DupFd(fd: int) -> Any:
    """Return a picklable stand-in for the descriptor *fd*.

    Pickled for a process that is being launched, the descriptor is inherited; in any other message
    the receiver fetches it from this process.

    Returns:
        An object whose ``detach()`` gives the receiver its own descriptor, once.
    """
    popen = _ambient.spawning_popen()
    if popen is not None:
        return popen.DupFd(popen.duplicate_for_child(fd))
    from . import resource_sharer  # on first use: most programs never send a descriptor

    return resource_sharer.DupFd(fd)


# ---------------------------------------------------------------------------------- sockets travel

_sockets_unknown = True


def _know_sockets() -> None:
    """Register the reducer of sockets once the module is there: without it there are none."""
    global _sockets_unknown
    if _sockets_unknown and "socket" in sys.modules:
        # Not by `register`: plain pickle refuses sockets, so it may be tried first.
        _extra[sys.modules["socket"].socket] = _reduce_socket
        _sockets_unknown = False


def _reduce_socket(sock: socket.socket) -> tuple[Any, ...]:
    return _rebuild_socket, (DupFd(sock.fileno()), sock.family, sock.type, sock.proto)


def _rebuild_socket(stand_in: Any, family: int, type: int, proto: int) -> socket.socket:
    import socket

    return socket.socket(family, type, proto, fileno=stand_in.detach())


class AbstractReducer:
    """Base of a class that a program sets as the ``reducer`` of a context.

    Its attributes take the place of this module's functions of the same names.
    """

    ForkingPickler = ForkingPickler
    register = register
    dump = staticmethod(dump)
    send_handle = staticmethod(send_handle)
    recv_handle = staticmethod(recv_handle)
    sendfds = staticmethod(sendfds)
    recvfds = staticmethod(recvfds)
    DupFd = staticmethod(DupFd)

    def __init__(self, *args: Any) -> None:
        """Args: args: ignored; subclasses may take some."""
