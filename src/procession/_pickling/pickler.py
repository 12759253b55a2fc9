"""The pickler for other processes.

Idea: a pickler whose table of reducers is the one of `copyreg` plus what was registered here, so
that things which only make sense between processes (sockets, descriptors, shared objects) can
travel between them and are refused elsewhere. The table is merged when one of the two has changed,
not for each object pickled; the pickler writes into a list, so a large `bytes` is never copied.

Invariant: a reducer that was registered is used from the next pickle on, by every thread.

Layer: ipc; imports the base layer.
"""

from __future__ import annotations

import copyreg
import pickle
import sys
from io import BytesIO
from types import FunctionType

from .. import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    _Reducer = Callable[[Any], Any]

Part = bytes | bytearray | memoryview


class _Parts(list[Part]):
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
        _core.allow_standard_pickler(False)

    @classmethod
    def dumps(cls, obj: Any, protocol: int | None = None) -> memoryview:
        """Return *obj* pickled, as a buffer of bytes.

        Raises:
            pickle.PicklingError, TypeError, AttributeError: something in *obj* cannot be pickled.
        """
        if cls is ForkingPickler:
            parts = pickle_parts(obj, pickle.DEFAULT_PROTOCOL if protocol is None else protocol)
            return memoryview(parts[0] if len(parts) == 1 else b"".join(parts))
        buffer = BytesIO()
        cls(buffer, protocol).dump(obj)
        return buffer.getbuffer()

    loads = staticmethod(pickle.loads)


class _Pickler(pickle.Pickler):
    """`ForkingPickler` for `pickle_parts`: the same table, which nobody changes in place.

    A table of the class and no ``__init__`` make an instance as cheap as a plain pickler.
    """

    dispatch_table: dict[type, _Reducer] = {}  # noqa: RUF012 - replaced as a whole, see `pickle_parts`


class _PicklerWithoutMain(_Pickler):
    """For a receiver that cannot find the main module."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, FunctionType | type) and obj.__module__ == "__main__":
            raise pickle.PicklingError(f"the receiver cannot find {obj!r} in its main module")
        return NotImplemented


_seen_copyreg: dict[Any, Any] | None = None
_seen_extra: dict[type, _Reducer] | None = None
_extra = ForkingPickler._extra_reducers
_replacement: Any = None  # see `replace_pickler`


def pickle_parts(
    obj: Any,
    protocol: int | None = None,
    buffer_callback: Callable[[pickle.PickleBuffer], Any] | None = None,
    *,
    main_is_there: bool = True,
) -> list[Part]:
    """Return *obj* pickled, in parts to be written one after the other.

    Large `bytes` inside *obj* are parts of their own, not copies. *buffer_callback* is that of
    `pickle.Pickler`. Where neither that nor a protocol is given, the object is for a connection.
    If not *main_is_there*, what the main module defines is refused.

    Raises: as `ForkingPickler.dumps`.
    """
    if _replacement is not None and protocol is None and buffer_callback is None:
        return [_replacement.dumps(obj)]
    # Comparing these small tables costs less than a miss in a table that merges as it is asked.
    if (
        copyreg.dispatch_table != _seen_copyreg
        or _extra != _seen_extra
        or (not _sockets_are_known and "socket" in sys.modules)
    ):
        _merge_tables()
    parts = _Parts()
    kind = _Pickler if main_is_there else _PicklerWithoutMain
    kind(parts, protocol, buffer_callback=buffer_callback).dump(obj)
    return parts


def replace_pickler(pickler: Any) -> None:
    """Use ``pickler.dumps(obj)`` for what connections send, from now on.

    Programs put picklers that can do more in the place of a private name of `connection`.
    """
    global _replacement
    _replacement = None if pickler is ForkingPickler else pickler


def current_pickler() -> Any:
    """Return what pickles for connections."""
    return _replacement or ForkingPickler


def with_explanation(
    error: Exception, obj: Any, dumps: Callable[[Any], Any] = ForkingPickler.dumps
) -> Exception:
    """Return *error*, which pickling *obj* raised, with what `diagnose` finds behind its message.

    Args:
        dumps: pickles a part of *obj* alone.
    """
    if type(error) not in (pickle.PicklingError, TypeError, AttributeError):
        return error  # the program's own, whose arguments are unknown
    from .diagnose import explained  # only for an error

    return explained(error, {"obj": obj}, dumps)


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


# -------------------------------------------------------------------------------------- sockets

_sockets_are_known = False


def _know_sockets() -> None:
    """Register the reducer of sockets once their module is there.

    It is not imported for this: it takes longer to import than the whole package.
    """
    global _sockets_are_known
    if not _sockets_are_known and "socket" in sys.modules:
        from .fd_reduce import reduce_socket  # most programs never send a socket

        # Not by `register`: plain pickle refuses sockets, so it may be tried first.
        _extra[sys.modules["socket"].socket] = reduce_socket
        _sockets_are_known = True
