"""Messages between manager and client as bytes, which the standard package can read as well.

Idea: a pickle names classes, and those of this package have other names than the standard ones.
A class that exists under a standard name is sent under that name, and found again here under ours.
Two sides that have told one another that both use this package (the same library) use our names.

Invariant: nothing of the standard package is ever imported by what arrives. A message that cannot
be pickled is not sent, not even in part.

Layer: pools and managers; imports ipc.
"""

from __future__ import annotations

import io
import pickle
import pkgutil
from types import FunctionType
from typing import Any

from .._pickling import pickler
from .._pickling.pickler import ForkingPickler, Part

_PACKAGE = __package__.partition(".")[0]
_STANDARD = "multiprocessing"

_MANAGERS = (
    *("AcquirerProxy", "ArrayProxy", "AutoProxy", "BarrierProxy", "BaseProxy", "ConditionProxy"),
    *("DictProxy", "EventProxy", "IteratorProxy", "ListProxy", "Namespace", "NamespaceProxy"),
    *("PoolProxy", "RebuildProxy", "RemoteError", "SetProxy", "Token", "Value", "ValueProxy"),
)
_ERRORS = ("AuthenticationError", "BufferTooShort", "ProcessError", "TimeoutError")

# Our name -> the name that a side of the standard package knows.
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
    # What the standard package lacks, as the class that comes closest.
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
    """Finds under our names what the other side calls by a standard name."""

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
    # Not by `register`: the plain pickler refuses views, so it may still be tried first.
    ForkingPickler._extra_reducers[type(_view)] = _as_list


def encode(obj: Any, same_library: bool) -> list[Part]:
    """Return *obj* pickled, in parts; under our names for a side that uses the *same_library*.

    Raises:
        Exception: what pickling raises.
    """
    parts = pickler.pickle_parts(obj)
    if same_library or not any(_contains(part, _OUR_MARK) for part in parts):
        return parts
    buffer = io.BytesIO()
    _Pickler(buffer).dump(obj)
    return [buffer.getbuffer()]


def decode(data: bytes) -> Any:
    """Return the object that *data* is the pickle of, whichever library has pickled it."""
    if _THEIR_MARK in data:
        return _Unpickler(io.BytesIO(data)).load()
    return pickle.loads(data)


def _contains(part: Part, mark: bytes) -> bool:
    return mark in (part if isinstance(part, bytes | bytearray) else bytes(part))
