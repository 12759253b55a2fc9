"""ctypes objects in shared memory, alone or with a lock.

Idea: a ctypes object uses the memory of a block of the arena. With a lock it is in a wrapper, which
acquires the lock around each access. The object itself has a method that pickles it as a reference
to the block, so every pickler does so, not only that of this package.

Invariant: an object that was sent to another process has the same bytes and the same lock there.

Layer: ipc.
"""

from __future__ import annotations

import ctypes
import weakref
from types import GenericAlias
from typing import Any

from . import _core, heap
from .synchronize import RLock

__all__ = ["Array", "RawArray", "RawValue", "Value", "copy", "synchronized"]

typecode_to_type: dict[str, Any] = {
    "c": ctypes.c_char,
    "u": ctypes.c_wchar,
    "b": ctypes.c_byte,
    "B": ctypes.c_ubyte,
    "h": ctypes.c_short,
    "H": ctypes.c_ushort,
    "i": ctypes.c_int,
    "I": ctypes.c_uint,
    "l": ctypes.c_long,
    "L": ctypes.c_ulong,
    "q": ctypes.c_longlong,
    "Q": ctypes.c_ulonglong,
    "f": ctypes.c_float,
    "d": ctypes.c_double,
}

# The types whose bytes the core reads and writes itself, with their codes. Subclasses of them,
# whose items are objects, and types of the other byte order are not among them.
_codes: dict[Any, str] = {
    type_: type_._type_
    for type_ in (*typecode_to_type.values(), ctypes.c_bool)
    if type_ is not ctypes.c_wchar
}


# ---------------------------------------------------------------------------------- without a lock


def _to_type(typecode_or_type: Any) -> Any:
    """Return the ctypes type of a typecode, or the type itself.

    Raises:
        TypeError: there is no such typecode.
    """
    if not isinstance(typecode_or_type, str):
        return typecode_or_type
    try:
        return typecode_to_type[typecode_or_type]
    except KeyError:
        known = "".join(typecode_to_type)
        raise TypeError(
            f"{typecode_or_type!r} is no typecode; there are {known!r}, and ctypes types"
        ) from None


def _new_value(type_: Any) -> Any:
    """Return an object of the ctypes type *type_* in new, zeroed memory."""
    return rebuild_ctype(type_, heap.BufferWrapper(ctypes.sizeof(type_)), None)


def RawValue(typecode_or_type: Any, *args: Any) -> Any:
    """Return a ctypes object in shared memory, made with *args*."""
    obj = _new_value(_to_type(typecode_or_type))
    obj.__init__(*args)
    return obj


def RawArray(typecode_or_type: Any, size_or_initializer: Any) -> Any:
    """Return a ctypes array in shared memory: of a number of zeros, or of a sequence's items."""
    type_ = _to_type(typecode_or_type)
    if isinstance(size_or_initializer, int):
        return _new_value(type_ * size_or_initializer)
    obj = _new_value(type_ * len(size_or_initializer))
    obj.__init__(*size_or_initializer)
    return obj


def copy(obj: Any) -> Any:
    """Return a copy of the ctypes object *obj* in shared memory."""
    new = _new_value(type(obj))
    ctypes.pointer(new)[0] = obj
    return new


def rebuild_ctype(type_: Any, wrapper: heap.BufferWrapper, length: int | None) -> Any:
    """Return an object of *type_*, or an array of *length* of them, in the memory of *wrapper*."""
    if length is not None:
        type_ = type_ * length
    obj = type_.from_buffer(wrapper.create_memoryview())
    obj._wrapper = wrapper
    # Picklers look for the method in the object first; that of its class copies the bytes.
    obj.__reduce_ex__ = _Reference(type_, wrapper)
    return obj


def reduce_ctype(obj: Any) -> tuple[Any, ...]:
    """Return what a pickle of the ctypes object *obj* in shared memory holds.

    Raises:
        TypeError: it is not in shared memory.
    """
    if not hasattr(obj, "_wrapper"):
        raise TypeError(
            f"{obj!r} is not in shared memory, so no other process can have it: make it with "
            f"RawValue() or RawArray(), or use copy()"
        )
    return _Reference(type(obj), obj._wrapper)()


class _Reference:
    """How a ctypes object in shared memory is pickled: its type, and where its memory is.

    It does not refer to the object, which would be a cycle.
    """

    __slots__ = ("_type", "_wrapper")

    def __init__(self, type_: Any, wrapper: heap.BufferWrapper):
        self._type = type_
        self._wrapper = wrapper

    def __call__(self, protocol: object = None) -> tuple[Any, ...]:
        lengths, type_ = [], self._type
        # Array types cannot be found by a name; ctypes makes each of them only once.
        while issubclass(type_, ctypes.Array) and type_ is type_._type_ * type_._length_:
            lengths.append(type_._length_)
            type_ = type_._type_
        return _rebuild, (type_, lengths[::-1], self._wrapper)


def _rebuild(type_: Any, lengths: list[int], wrapper: heap.BufferWrapper) -> Any:
    for length in lengths:
        type_ = type_ * length
    return rebuild_ctype(type_, wrapper, None)


# ------------------------------------------------------------------------------------- with a lock


def Value(typecode_or_type: Any, *args: Any, lock: Any = True, ctx: Any = None) -> Any:
    """Return a ctypes object in shared memory, made with *args*, in a wrapper with a lock.

    Args:
        lock: True or None for a new `RLock`, a lock to be used, or False: no wrapper.
    Raises:
        AttributeError: *lock* is no lock.
    """
    return _wrap(RawValue(typecode_or_type, *args), lock, ctx)


def Array(
    typecode_or_type: Any, size_or_initializer: Any, *, lock: Any = True, ctx: Any = None
) -> Any:
    """Return a ctypes array in shared memory in a wrapper with a lock; see `RawArray`, `Value`."""
    return _wrap(RawArray(typecode_or_type, size_or_initializer), lock, ctx)


def _wrap(obj: Any, lock: Any, ctx: Any) -> Any:
    if lock is False:
        return obj
    return synchronized(obj, None if lock is True else lock, ctx)


def synchronized(obj: Any, lock: Any = None, ctx: Any = None) -> Any:
    """Return a wrapper of the ctypes object *obj* that acquires *lock*, or a new `RLock`.

    Raises:
        AssertionError: *obj* is such a wrapper, as in the standard library.
    """
    if isinstance(obj, SynchronizedBase):
        raise AssertionError("object already synchronized")
    if isinstance(obj, ctypes._SimpleCData):
        return Synchronized(obj, lock, ctx)
    if isinstance(obj, ctypes.Array):
        kind = SynchronizedString if obj._type_ is ctypes.c_char else SynchronizedArray
        return kind(obj, lock, ctx)
    return _wrapper_class(type(obj))(obj, lock, ctx)


_wrappers: weakref.WeakKeyDictionary[type, Any] = weakref.WeakKeyDictionary()


def _wrapper_class(type_: Any) -> Any:
    """Return the wrapper class for a structure; it has each field, inherited ones included."""
    if type_ not in _wrappers:
        fields = [field for base in type_.__mro__ for field in vars(base).get("_fields_", ())]
        body = {field[0]: _core.locked_attribute(field[0]) for field in fields}
        _wrappers[type_] = type("Synchronized" + type_.__name__, (SynchronizedBase,), body)
    return _wrappers[type_]


class SynchronizedBase(_core.Locked):
    """A ctypes object and the lock around it.

    Args:
        obj: the ctypes object.
        lock: anything with ``acquire`` and ``release``; None for a new `RLock`.
        ctx: not used.
    Raises:
        AttributeError: *lock* is no lock.
    """

    def __init__(self, obj: Any, lock: Any = None, ctx: Any = None):
        type_ = obj._type_ if isinstance(obj, ctypes.Array) else type(obj)
        super().__init__(obj, RLock() if lock is None else lock, _codes.get(type_, ""))

    # Type hints say what is inside: `Synchronized[int]`.
    __class_getitem__: Any = classmethod(GenericAlias)

    def __reduce__(self) -> tuple[Any, ...]:
        reduce_ctype(self._obj)  # for its error; pickle would copy the bytes of such an object
        return synchronized, (self._obj, self._lock)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} wrapper for {self._obj}>"


class Synchronized(_core.LockedValue, SynchronizedBase):
    """A simple value with a lock; integers also have ``add`` and ``compare_and_set``."""


class SynchronizedArray(_core.LockedArray, SynchronizedBase):
    """An array with a lock."""


class SynchronizedString(SynchronizedArray):
    """An array of characters with a lock."""

    value = _core.locked_attribute("value")
    raw = _core.locked_attribute("raw")
