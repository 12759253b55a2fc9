"""Messages between manager and client as bytes, understood by the standard package's as well.

Idea: a pickle names classes, and those of this package have other names than the standard ones.
What exists under a standard name is sent under that name, and found again here under ours. Two
sides that have told one another that both are of this package (kin) spare themselves the trouble.

Invariant: nothing of the standard package is ever imported by what arrives. A message that cannot
be pickled has not been begun.

Layer: pools and managers; imports ipc.
"""

from __future__ import annotations

import io
import pickle
import pkgutil
from types import FunctionType
from typing import Any

from .._pickling import pickler
from .._pickling.pickler import ForkingPickler, Piece
from ..connection._base import _ConnectionBase

_PACKAGE = __package__.partition(".")[0]
_STANDARD = "multiprocessing"

_MANAGERS = (
    *("AcquirerProxy", "ArrayProxy", "AutoProxy", "BarrierProxy", "BaseProxy", "ConditionProxy"),
    *("DictProxy", "EventProxy", "IteratorProxy", "ListProxy", "Namespace", "NamespaceProxy"),
    *("PoolProxy", "RebuildProxy", "RemoteError", "SetProxy", "Token", "Value", "ValueProxy"),
)
_ERRORS = ("AuthenticationError", "BufferTooShort", "ProcessError", "TimeoutError")

# Our name -> what a side of the standard package knows it as.
_TO_STANDARD: dict[str, str] = {
    **{f"{_PACKAGE}.managers.{name}": f"{_STANDARD}.managers:{name}" for name in _MANAGERS},
    **{f"{_PACKAGE}.{name}": f"{_STANDARD}.context:{name}" for name in _ERRORS},
    **{
        f"{_PACKAGE}.shared_memory.{name}": f"{_STANDARD}.shared_memory:{name}"
        for name in ("ShareableList", "SharedMemory")
    },
    f"{_PACKAGE}.pool.MaybeEncodingError": f"{_STANDARD}.pool:MaybeEncodingError",
    f"{_PACKAGE}.pool.RemoteTraceback": f"{_STANDARD}.pool:RemoteTraceback",
    f"{_PACKAGE}.pool._remote_errors.rebuild_exc": f"{_STANDARD}.pool:rebuild_exc",
    # What the standard package has nothing like, as the next best thing.
    f"{_PACKAGE}.managers.LockProxy": f"{_STANDARD}.managers:AcquirerProxy",
    f"{_PACKAGE}.BrokenLockError": f"{_STANDARD}.context:ProcessError",
    f"{_PACKAGE}.WorkerLostError": f"{_STANDARD}.context:ProcessError",
    f"{_PACKAGE}.queues.ShutDown": f"{_STANDARD}.context:ProcessError",
}
_FROM_STANDARD = {
    theirs: ours.rpartition(".")[::2] for ours, theirs in reversed(_TO_STANDARD.items())
}

_OUR_MARK, _THEIR_MARK = _PACKAGE.encode(), _STANDARD.encode()


class _Pickler(ForkingPickler):
    """Writes references to the standard names as calls that look them up at the other side."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type | FunctionType):
            name = _TO_STANDARD.get(f"{obj.__module__}.{obj.__qualname__}")
            if name is not None:
                return pkgutil.resolve_name, (name,)
        return NotImplemented


class _Unpickler(pickle.Unpickler):
    """Finds under our names what the other side names as the standard package does."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "pkgutil" and name == "resolve_name":
            return self._resolve
        if module.partition(".")[0] != _STANDARD:
            return super().find_class(module, name)
        known = _FROM_STANDARD.get(f"{module}:{name}")
        return super().find_class(*(known or (_PACKAGE + module.removeprefix(_STANDARD), name)))

    def _resolve(self, path: str) -> Any:
        module, _, name = path.partition(":")
        return self.find_class(module, name)


def _as_list(view: Any) -> tuple[Any, ...]:
    return list, (list(view),)


_EMPTY: dict[Any, Any] = {}
for _view in (_EMPTY.keys(), _EMPTY.values(), _EMPTY.items()):
    # Not by `register`: plain pickle refuses these, so it may still be tried first.
    ForkingPickler._extra_reducers[type(_view)] = _as_list


def encode(obj: Any, kin: bool) -> list[Piece]:
    """Return *obj* pickled, in parts; for a side that is *kin* under our names.

    Raises: what pickling raises.
    """
    parts = pickler.pieces(obj)
    if kin or not any(_contains(part, _OUR_MARK) for part in parts):
        return parts
    buffer = io.BytesIO()
    _Pickler(buffer).dump(obj)
    return [buffer.getbuffer()]


def decode(data: bytes) -> Any:
    """Return what *data* is the pickle of."""
    if _THEIR_MARK in data:
        return _Unpickler(io.BytesIO(data)).load()
    return pickle.loads(data)


def _contains(part: Piece, mark: bytes) -> bool:
    return mark in (part if isinstance(part, bytes | bytearray) else bytes(part))


class Conversation:
    """A connection on which requests and answers go to and fro, one at a time.

    Args:
        conn: the connection; one that is none of ours (XML) sends and receives in its own way.
    Attributes:
        kin: whether the other side is of this package as well, and knows that we are.
        channel: the `ChannelCalls` that accompany it, if there are any.
    """

    channel: Any = None

    def __init__(self, conn: Any):
        self.conn = conn
        self.kin = False
        self._pickles = isinstance(conn, _ConnectionBase)

    def encode(self, obj: Any) -> Any:
        """Return what `send_encoded` sends. Raises: what pickling raises."""
        return encode(obj, self.kin) if self._pickles else obj

    def send_encoded(self, message: Any) -> None:
        """Send what `encode` returned. Raises: OSError: the other side has gone."""
        if not self._pickles:
            self.conn.send(message)
        elif len(message) == 1:
            self.conn._send_bytes(message[0])
        else:
            self.conn._send_parts(message)

    def send(self, obj: Any) -> None:
        """Send *obj*."""
        self.send_encoded(self.encode(obj))

    def recv_encoded(self) -> Any:
        """Return what `decode` takes. Raises: EOFError, OSError: the other side has gone."""
        return self.conn.recv_bytes() if self._pickles else self.conn.recv()

    def decode(self, message: Any) -> Any:
        """Return the object that *message* stands for. Raises: what unpickling raises."""
        if not self._pickles:
            return message
        try:
            return pickle.loads(message) if self.kin else decode(message)
        except EOFError as error:  # which would mean that the other side has gone
            raise pickle.UnpicklingError(f"a message ends too soon: {error}") from error

    def recv(self) -> Any:
        """Return the next object. Raises: as `recv_encoded` and `decode`."""
        return self.decode(self.recv_encoded())

    def fileno(self) -> int:
        """Return the descriptor."""
        return int(self.conn.fileno())

    def close(self) -> None:
        """Close the connection."""
        self.conn.close()
