"""The interface of the package over threads: `Process` is a thread, a queue is `queue.Queue`.

Idea: a program written for processes runs in one process after one import is changed: to try it
out, or because its work is done outside of the interpreter's lock. Names that `threading` has are
taken from there; the others are built on `threading`.

Invariant: nothing is pickled and nothing copied; what is shared between "processes" is the object.

Layer: pools and managers; imports `pool` on first use.
"""

from __future__ import annotations

import array
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Mapping
from queue import Queue
from threading import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    Lock,
    RLock,
    Semaphore,
    current_thread,
)
from types import ModuleType
from typing import TYPE_CHECKING, Any

from . import connection
from .connection import Pipe

if TYPE_CHECKING:
    from ..pool import ThreadPool

__all__ = [
    "Barrier",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "JoinableQueue",
    "Lock",
    "Manager",
    "Pipe",
    "Pool",
    "Process",
    "Queue",
    "RLock",
    "Semaphore",
    "active_children",
    "connection",
    "current_process",
    "freeze_support",
]

JoinableQueue = Queue


# ---------------------------------------------------------------------------------------- processes


class DummyProcess(threading.Thread):
    """A thread that can be used where a process is expected.

    Args:
        group: None; accepted as by a thread.
        target: what is called with *args* and *kwargs*.
        name: None for a name like ``Thread-1``.
    """

    _pid = None

    def __init__(
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ):
        super().__init__(group, target, name, args, kwargs or {})
        self._children: weakref.WeakKeyDictionary[Any, None] = weakref.WeakKeyDictionary()
        self._parent = current_process()
        self._start_called = False

    def start(self) -> None:
        """Start the thread: at most once, and in the thread that made the object.

        Raises:
            RuntimeError: it was started before, or the object was made in another thread.
        """
        if self._parent is not current_process():
            raise RuntimeError(
                f"Parent is {self._parent!r} but current_process is {current_process()!r}"
            )
        self._start_called = True
        _children_of(self._parent)[self] = None
        super().start()

    @property
    def exitcode(self) -> int | None:
        """0 once the thread has ended, else None."""
        return 0 if self._start_called and not self.is_alive() else None


Process = DummyProcess
current_process = current_thread


def _children_of(thread: Any) -> weakref.WeakKeyDictionary[Any, None]:
    """Return the "processes" that *thread*, any kind of thread, has started."""
    children: weakref.WeakKeyDictionary[Any, None] = thread.__dict__.setdefault(
        "_children", weakref.WeakKeyDictionary()
    )
    return children


def active_children() -> list[Any]:
    """Return the "processes" that this thread has started and that have not ended."""
    children = _children_of(current_process())
    for child in list(children):
        if not child.is_alive():
            children.pop(child, None)
    return list(children)


def freeze_support() -> None:
    """Do nothing: a thread needs no help to start in a frozen program."""


# --------------------------------------------------------------------------- the types of managers


class Namespace:
    """Attributes to be shared. Args: kwds: the first attributes."""

    def __init__(self, /, **kwds: Any):
        self.__dict__.update(kwds)

    def __repr__(self) -> str:
        shown = [f"{k}={v!r}" for k, v in self.__dict__.items() if not k.startswith("_")]
        return f"{type(self).__name__}({', '.join(sorted(shown))})"


dict = dict  # a manager has these types too, and this module stands for one
list = list


class Value:
    """A value that all threads see, as the attribute ``value``.

    Args:
        typecode: not used; any object can be the value.
        lock: not used; an assignment is atomic.
    """

    def __init__(self, typecode: Any, value: Any, lock: Any = True):
        self._typecode = typecode
        self.value = value

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self._typecode!r}, {self.value!r})>"


def Array(typecode: str, sequence: Iterable[Any], lock: Any = True) -> array.array[Any]:
    """Return an array of *typecode* (as in `array`) with the elements of *sequence*."""
    return array.array(typecode, sequence)


def Manager() -> ModuleType:
    """Return this module, whose `dict`, `list`, `Namespace` and so on are shared by all threads."""
    return sys.modules[__name__]


def shutdown() -> None:
    """Do nothing: there is no server."""


def Pool(
    processes: int | None = None,
    initializer: Callable[..., object] | None = None,
    initargs: Iterable[Any] = (),
) -> ThreadPool:
    """Return a pool of threads."""
    from ..pool import ThreadPool  # on first use: most programs here need no pool

    return ThreadPool(processes, initializer, initargs)
