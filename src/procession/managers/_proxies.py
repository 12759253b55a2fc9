"""The proxy types of `SyncManager`.

Idea: a proxy type is a list of methods. Written out are only the methods that do more than to call
the referent's: those with other arguments, operators that must return the proxy, attributes.

Invariant: all methods work with a manager of the newest version of the standard package; an older
version lacks the newest methods, and a call of those raises its error.

Layer: pools and managers.
"""

from __future__ import annotations

from collections.abc import Callable
from types import GenericAlias
from typing import Any, Self

from .._base.deadline import Deadline
from ._proxy import BaseProxy, MakeProxyType


class IteratorProxy(BaseProxy):
    """An iterator or generator."""

    _exposed_ = ("__next__", "send", "throw", "close")

    def __iter__(self) -> Self:
        return self

    def __next__(self, *args: Any) -> Any:
        return self._callmethod("__next__", args)

    def send(self, *args: Any) -> Any:
        """Call the generator's method of that name."""
        return self._callmethod("send", args)

    def throw(self, *args: Any) -> Any:
        """Call the generator's method of that name."""
        return self._callmethod("throw", args)

    def close(self, *args: Any) -> Any:
        """Call the generator's method of that name."""
        return self._callmethod("close", args)


class AcquirerProxy(BaseProxy):
    """A semaphore, or a lock."""

    _exposed_: tuple[str, ...] = ("acquire", "release", "locked")

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Acquire it; return whether that was possible in time (seconds; None waits for ever)."""
        args = (blocking,) if timeout is None else (blocking, timeout)
        return bool(self._callmethod("acquire", args))

    def release(self) -> None:
        """Release it."""
        self._callmethod("release")

    def locked(self) -> bool:
        """Return whether it is held."""
        return bool(self._callmethod("locked"))

    def __enter__(self) -> bool:
        return bool(self._callmethod("acquire"))

    def __exit__(self, *_: object) -> None:
        self._callmethod("release")


class LockProxy(AcquirerProxy):
    """A lock, which breaks when the process that holds it dies."""

    _exposed_: tuple[str, ...] = ("acquire", "release", "locked", "reset")

    def reset(self) -> None:
        """Make a broken lock free again."""
        self._callmethod("reset")


class ConditionProxy(LockProxy):
    """A condition."""

    _exposed_ = (*LockProxy._exposed_, "wait", "notify", "notify_all")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for a notification; return whether one came within *timeout* seconds."""
        return bool(self._callmethod("wait", (timeout,)))

    def notify(self, n: int = 1) -> None:
        """Wake up to *n* of the waiters."""
        self._callmethod("notify", (n,))

    def notify_all(self) -> None:
        """Wake all waiters."""
        self._callmethod("notify_all")

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until *predicate*, called here, is true; return its last value.

        Args:
            timeout: seconds; None waits for ever.
        """
        deadline = Deadline(timeout)
        while not (result := predicate()) and not deadline.expired:
            self.wait(deadline.remaining())
        return result


class EventProxy(BaseProxy):
    """An event."""

    _exposed_ = ("is_set", "set", "clear", "wait")

    def is_set(self) -> bool:
        """Return whether it is set."""
        return bool(self._callmethod("is_set"))

    def set(self) -> None:
        """Set it, and wake all waiters."""
        self._callmethod("set")

    def clear(self) -> None:
        """Clear it."""
        self._callmethod("clear")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; return whether it was, within *timeout* seconds."""
        return bool(self._callmethod("wait", (timeout,)))


class BarrierProxy(BaseProxy):
    """A barrier."""

    _exposed_ = ("__getattribute__", "wait", "abort", "reset")

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the other parties; return this call's index among them."""
        return int(self._callmethod("wait", (timeout,)))

    def abort(self) -> None:
        """Break it: all that wait get BrokenBarrierError."""
        self._callmethod("abort")

    def reset(self) -> None:
        """Make it as new."""
        self._callmethod("reset")

    @property
    def parties(self) -> int:
        """The number of parties that it takes to pass."""
        return int(self._callmethod("__getattribute__", ("parties",)))

    @property
    def n_waiting(self) -> int:
        """The number of parties that are waiting."""
        return int(self._callmethod("__getattribute__", ("n_waiting",)))

    @property
    def broken(self) -> bool:
        """Whether it is broken."""
        return bool(self._callmethod("__getattribute__", ("broken",)))


class NamespaceProxy(BaseProxy):
    """An object with the attributes of the referent, except for names with an underscore."""

    _exposed_ = ("__getattribute__", "__setattr__", "__delattr__")

    def __getattr__(self, key: str) -> Any:
        if key[0] == "_":
            return object.__getattribute__(self, key)
        return object.__getattribute__(self, "_callmethod")("__getattribute__", (key,))

    def __setattr__(self, key: str, value: Any) -> None:
        if key[0] == "_":
            object.__setattr__(self, key, value)
        else:
            object.__getattribute__(self, "_callmethod")("__setattr__", (key, value))

    def __delattr__(self, key: str) -> None:
        if key[0] == "_":
            object.__delattr__(self, key)
        else:
            object.__getattribute__(self, "_callmethod")("__delattr__", (key,))


class ValueProxy(BaseProxy):
    """An object with the attribute ``value``."""

    _exposed_ = ("get", "set")

    def get(self) -> Any:
        """Return the value."""
        return self._callmethod("get")

    def set(self, value: Any) -> None:
        """Change the value."""
        self._callmethod("set", (value,))

    value = property(get, set)

    __class_getitem__: Any = classmethod(GenericAlias)


BaseListProxy: Any = MakeProxyType(
    "BaseListProxy",
    (
        *("__add__", "__contains__", "__delitem__", "__getitem__", "__imul__", "__len__"),
        *("__mul__", "__reversed__", "__rmul__", "__setitem__", "append", "clear", "copy"),
        *("count", "extend", "index", "insert", "pop", "remove", "reverse", "sort"),
    ),
)


class ListProxy(BaseListProxy):  # type: ignore[misc]  # made at run time
    """A list."""

    def __iadd__(self, value: Any) -> Self:
        self._callmethod("extend", (value,))
        return self

    def __imul__(self, value: Any) -> Self:
        self._callmethod("__imul__", (value,))
        return self

    __class_getitem__: Any = classmethod(GenericAlias)


_BaseDictProxy: Any = MakeProxyType(
    "_BaseDictProxy",
    (
        *("__contains__", "__delitem__", "__getitem__", "__ior__", "__iter__", "__len__"),
        *("__or__", "__reversed__", "__ror__", "__setitem__", "clear", "copy", "fromkeys"),
        *("get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"),
    ),
)
_BaseDictProxy._method_to_typeid_ = {"__iter__": "Iterator"}


class DictProxy(_BaseDictProxy):  # type: ignore[misc]  # made at run time
    """A dict."""

    def __ior__(self, value: Any) -> Self:
        self._callmethod("__ior__", (value,))
        return self

    __class_getitem__: Any = classmethod(GenericAlias)


_BaseSetProxy: Any = MakeProxyType(
    "_BaseSetProxy",
    (
        *("__and__", "__contains__", "__ge__", "__gt__", "__iand__", "__ior__", "__isub__"),
        *("__iter__", "__ixor__", "__le__", "__len__", "__lt__", "__or__", "__rand__", "__ror__"),
        *("__rsub__", "__rxor__", "__sub__", "__xor__", "add", "clear", "copy", "difference"),
        *("difference_update", "discard", "intersection", "intersection_update", "isdisjoint"),
        *("issubset", "issuperset", "pop", "remove", "symmetric_difference"),
        *("symmetric_difference_update", "union", "update"),
    ),
)
_BaseSetProxy._method_to_typeid_ = {"__iter__": "Iterator"}


class SetProxy(_BaseSetProxy):  # type: ignore[misc]  # made at run time
    """A set."""

    def __ior__(self, value: Any) -> Self:
        self._callmethod("__ior__", (value,))
        return self

    def __iand__(self, value: Any) -> Self:
        self._callmethod("__iand__", (value,))
        return self

    def __ixor__(self, value: Any) -> Self:
        self._callmethod("__ixor__", (value,))
        return self

    def __isub__(self, value: Any) -> Self:
        self._callmethod("__isub__", (value,))
        return self

    __class_getitem__: Any = classmethod(GenericAlias)


ArrayProxy: Any = MakeProxyType("ArrayProxy", ("__len__", "__getitem__", "__setitem__"))

BasePoolProxy: Any = MakeProxyType(
    "BasePoolProxy",
    (
        *("apply", "apply_async", "close", "imap", "imap_unordered", "join", "map", "map_async"),
        *("starmap", "starmap_async", "terminate"),
    ),
)
_ASYNCHRONOUS = dict.fromkeys(("apply_async", "map_async", "starmap_async"), "AsyncResult")
_ITERATORS = dict.fromkeys(("imap", "imap_unordered"), "Iterator")
BasePoolProxy._method_to_typeid_ = {**_ASYNCHRONOUS, **_ITERATORS}


class PoolProxy(BasePoolProxy):  # type: ignore[misc]  # made at run time
    """A pool of processes, which the manager has started."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.terminate()
