"""Locks, semaphores, conditions, events and barriers between processes.

Idea: each is a few words in the family's arena, and its reference is a number. A type of the native
core does every operation in one call. Added here is what Python code can do as well: the `repr` and
the messages of errors. As a reference is a number, each object can be sent at any time, to any
process of the family, by any means.

Invariant: no object of this module has a descriptor, a thread or a name in the file system. What a
killed process held is passed on or reported, by the rules in native/sync/.

Layer: ipc.
"""

from __future__ import annotations

import os
import sys

from . import _core
from ._base import runtime
from ._base.deadline import Deadline
from ._base.errors import BrokenLockError
from ._base.finalize import Finalize, register_after_fork
from ._pickling import core_hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Literal, TypeVar

    T = TypeVar("T")
    OnOwnerDeath = Literal["raise", "release"]

__all__ = ["BoundedSemaphore", "Condition", "Event", "Lock", "RLock", "Semaphore"]

SEM_VALUE_MAX = 2**31 - 1
"""The most permits that a semaphore can have."""

RECURSIVE_MUTEX, SEMAPHORE = range(2)
"""The values of `SemLock.kind`."""

# With it, every acquire notes its source line, for the message of BrokenLockError; this makes locks
# about five times slower. Without it, only an acquire that had to wait does so.
if os.environ.get("PROCESSION_DEBUG", "0") not in ("", "0"):
    _core.record_lock_sites(True)


def _report_clean_exit(_: object = None) -> None:
    """Have the core told when this process exits: what it holds then was not left by a death."""
    Finalize(None, _core.mark_clean_exit, exitpriority=-1000)


_report_clean_exit()
register_after_fork(_report_clean_exit, _report_clean_exit)


# ------------------------------------------------------------------------------ what the core calls


def _describe_holder(name: str, pid: int) -> str:
    if pid == 0:
        return "a process"
    return f"process {name or 'without a name'} (pid {pid})"


def _broken_lock_error(pid: int, name: str, site: str) -> BrokenLockError:
    """Return the error for a lock whose holder died."""
    where = f", taken at {site}" if site else ""
    hint = "" if site else "; PROCESSION_DEBUG=1 in the environment notes where locks are taken"
    return BrokenLockError(
        f"{_describe_holder(name, pid)} died while it held this lock{where}: what the lock "
        f"protects may be half changed; make that good, then call reset(){hint}"
    )


def _log_recovery(pid: int, name: str, site: str) -> None:
    """Log that a lock was passed on by a process that died."""
    import logging  # on first use: most programs never log here

    from ._base.log import get_logger

    where = f", taken at {site}" if site else ""
    get_logger().log(
        logging.WARNING,
        "%s died while it held a lock%s; the lock was passed on",
        _describe_holder(name, pid),
        where,
    )


def _broken_barrier() -> type[Exception]:
    from threading import BrokenBarrierError  # few programs need it, and it is not cheap

    return BrokenBarrierError


core_hooks.give()
_core.set_hooks(
    broken_lock=lambda: _broken_lock_error,
    lock_recovered=lambda: _log_recovery,
    broken_barrier=_broken_barrier,
)


def _own_name() -> str:
    """Return this process's name, and the thread's unless that is the main one."""
    name: str = runtime.current_process().name
    threading = sys.modules.get("threading")
    if threading is not None:
        thread: str = threading.current_thread().name
        if thread != "MainThread":
            return f"{name}|{thread}"
    return name


# ------------------------------------------------------------------------------------------ locks


class SemLock:
    """The base of `Lock`, `RLock` and the semaphores, for programs that know it by this name.

    In the standard package it contains an object of the kernel, ``_semlock``, whose methods some
    libraries call. Here the lock itself has these methods.

    Attributes:
        kind: `RECURSIVE_MUTEX` or `SEMAPHORE`.
        name: always None: there is no entry in the file system that could be removed.
        maxvalue: the most permits there may be.
    """

    __slots__ = ()

    kind = SEMAPHORE
    name = None
    maxvalue = 1

    @property
    def _semlock(self) -> Any:
        return self

    def _is_mine(self) -> bool:
        """Return whether this process (of an `RLock`: this thread) holds it; False for permits."""
        return False

    def _count(self) -> int:
        """Return how often this process, or thread, has acquired and not yet released it."""
        return int(self._is_mine())

    def _is_zero(self: Any) -> bool:
        locked: bool = self.locked()
        return locked

    def _get_value(self: Any) -> int:
        return 0 if self.locked() else 1


class Lock(_core.Lock, SemLock):
    """A lock; any process or thread may release it.

    Args:
        ctx: not used; every object can be shared with processes of each start method.
        on_owner_death: ``"raise"``: when its holder dies, acquirers get `BrokenLockError` until
            a process calls ``reset()``. ``"release"``: the lock is passed on, with a warning in the
            log.
    """

    def _is_mine(self) -> bool:
        return self.holder() == os.getpid()

    def __repr__(self) -> str:
        try:
            pid = self.holder()
        except ValueError:  # it was never initialised
            owner = "unknown"
        else:
            others = "SomeOtherProcess" if pid else "None"
            owner = _own_name() if pid == os.getpid() else others
        return f"<{type(self).__name__}(owner={owner})>"


class RLock(_core.RLock, SemLock):
    """A lock that its holder, a thread, may acquire again; only that thread may release it.

    Args: as for `Lock`.
    """

    kind = RECURSIVE_MUTEX

    def _is_mine(self) -> bool:
        return self._count() > 0

    def __repr__(self) -> str:
        try:
            owner, count = self._owner_and_count()
        except ValueError:  # it was never initialised
            owner = count = "unknown"
        return f"<{type(self).__name__}({owner}, {count})>"

    def _owner_and_count(self) -> tuple[str, int | str]:
        if count := self._count():
            return _own_name(), count
        pid = self.holder()
        if pid == 0:
            return "None", 0
        return ("SomeOtherThread" if pid == os.getpid() else "SomeOtherProcess"), "nonzero"


# -------------------------------------------------------------------------------------- semaphores


class Semaphore(_core.Semaphore, SemLock):
    """A number of permits, which processes acquire and release.

    The permits that a killed process held are released, unless processes release permits that
    others
    acquired: then permits are signals, which have no holder. A process that exits keeps its
        permits.

    Args:
        value: the number of permits at first, 0 to `SEM_VALUE_MAX`.
        ctx: not used.
    """

    def __init__(self, value: int = 1, *, ctx: object = None):
        super().__init__(value)

    def _get_value(self) -> int:
        return self.get_value()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(value={_or_unknown(self.get_value)})>"


class BoundedSemaphore(Semaphore):
    """A semaphore that never has more permits than at first.

    Args: as for `Semaphore`.
    """

    def __init__(self, value: int = 1, *, ctx: object = None):
        _core.Semaphore.__init__(self, value, value)

    def __repr__(self) -> str:
        value, maxvalue = _or_unknown(self.get_value), _or_unknown(lambda: self.maxvalue)
        return f"<{type(self).__name__}(value={value}, maxvalue={maxvalue})>"


def _or_unknown(look: Callable[[], T]) -> T | str:
    try:
        return look()
    except ValueError:  # it was never initialised
        return "unknown"


# ------------------------------------------------------------------------------ conditions, events


class Condition(_core.Condition):
    """An object on which processes wait for a change of what a lock protects.

    When a process is killed after it was notified, the next waiting process is notified.

    Args:
        lock: a `Lock` or an `RLock`, or any object with ``acquire`` and ``release``; None for a
            new `RLock`.
        ctx: not used.
    """

    def __init__(self, lock: Any = None, *, ctx: object = None):
        super().__init__(RLock() if lock is None else lock)

    def wait_for(self, predicate: Callable[[], T], timeout: float | None = None) -> T:
        """Wait until *predicate*, called with the lock held, returns something true.

        Args:
            timeout: seconds; None for ever.
        Returns:
            What *predicate* returned last; this is false if the time is over.
        """
        result = predicate()
        if result:
            return result
        deadline = Deadline(timeout)
        while not result:
            if deadline.expired:
                break
            self.wait(deadline.remaining())
            result = predicate()
        return result

    def __repr__(self) -> str:
        lock = _or_unknown(lambda: self._lock)
        return f"<{type(self).__name__}({lock}, {_or_unknown(self._waiting)})>"


class Event(_core.Event):
    """A flag that is set and cleared, and that processes wait for."""

    def __repr__(self) -> str:
        state = _or_unknown(lambda: "set" if self.is_set() else "unset")
        return f"<{type(self).__qualname__} at {id(self):#x} {state}>"


class Barrier(_core.Barrier):
    """A number of processes or threads wait here for each other, as at `threading.Barrier`.

    A party that is killed breaks it: the others get `threading.BrokenBarrierError`.

    Args:
        parties: how many must call ``wait`` before any call returns, at least 1.
        action: called by one party each time all have called ``wait``.
        timeout: in seconds, for each ``wait`` without one.
        ctx: not used.
    """

    def __repr__(self) -> str:
        state = _or_unknown(
            lambda: "broken" if self.broken else f"waiters={self.n_waiting}/{self.parties}"
        )
        return f"<{type(self).__module__}.{type(self).__qualname__} at {id(self):#x}: {state}>"
