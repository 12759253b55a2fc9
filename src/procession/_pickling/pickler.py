"""The pickler for other processes.

Idea: a pickler whose table of reducers is that of `copyreg` and what was registered here. So
objects that have a meaning only between processes (sockets, descriptors, shared objects) can be
sent to other processes, and are refused by other picklers. The table is merged when one of its two
sources has changed, not for each object. The pickler writes into a list, so a large `bytes` is not
copied.

Invariant: a reducer that was registered is used from the next pickle on, by every thread.

Layer: pickling; imports the core.
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
    """What a pickler writes, not copied: one part as a rule, more around large binary objects."""

    __slots__ = ()
    write = list.append


class ForkingPickler(pickle.Pickler):
    """A pickler that also knows the reducers registered for other processes.

    Args: as for `pickle.Pickler`.
    """

    _extra_reducers: dict[type, _Reducer] = {}  # noqa: RUF012 - shared by all on purpose

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        _register_sockets()
        # A copy for this pickler: programs add to the table of one pickler.
        self.dispatch_table = {**copyreg.dispatch_table, **self._extra_reducers}

    @classmethod
    def register(cls, type: type, reduce: _Reducer) -> None:
        """Use *reduce* for objects of exactly *type*; it returns what ``__reduce__`` may return."""
        cls._extra_reducers[type] = reduce
        # Channels call plain pickle first, which does not know *reduce*.
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
    """`ForkingPickler` for `pickle_parts`: it has the same table, which is never changed in place.

    As the table belongs to the class and there is no ``__init__``, an instance is as cheap as one
    of `pickle.Pickler`.
    """

    dispatch_table: dict[type, _Reducer] = {}  # noqa: RUF012 - replaced as a whole, see `pickle_parts`


class _PicklerWithoutMain(_Pickler):
    """The pickler for a receiver that cannot find the main module."""

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

    Large `bytes` inside *obj* are parts of their own, not copies.

    Args:
        protocol, buffer_callback: as for `pickle.Pickler`; without both, the object is for a
            connection, for which `replace_pickler` counts.
        main_is_there: whether the receiver finds the main module; else what that defines is
            refused.
    Raises: as `ForkingPickler.dumps`.
    """
    if _replacement is not None and protocol is None and buffer_callback is None:
        return [_replacement.dumps(obj)]
    # To compare these small tables costs less than each failed look-up in a chain of both.
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

    Programs replace a private name of `connection` by a pickler that can do more.
    """
    global _replacement
    _replacement = None if pickler is ForkingPickler else pickler


def current_pickler() -> Any:
    """Return the pickler for connections."""
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
    """Make a new table. A thread that is pickling meanwhile keeps the old one."""
    global _seen_copyreg, _seen_extra
    _register_sockets()
    _seen_copyreg, _seen_extra = dict(copyreg.dispatch_table), dict(_extra)
    _Pickler.dispatch_table = {**_seen_copyreg, **_seen_extra}


register = ForkingPickler.register


def dump(obj: Any, file: Any, protocol: int | None = None) -> None:
    """Write *obj*, pickled for another process, to the binary *file*."""
    ForkingPickler(file, protocol).dump(obj)


# -------------------------------------------------------------------------------------- sockets

_sockets_are_known = False


def _register_sockets() -> None:
    """Register the reducer of sockets when the module `socket` is there.

    It is not imported for this, as that takes longer than to import the whole package.
    """
    global _sockets_are_known
    if not _sockets_are_known and "socket" in sys.modules:
        from .fd_reduce import reduce_socket  # most programs never send a socket

        # Not by `register`: plain pickle refuses sockets, so channels may still call it first.
        _extra[sys.modules["socket"].socket] = reduce_socket
        _sockets_are_known = True
