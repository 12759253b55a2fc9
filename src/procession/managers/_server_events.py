"""Conditions, events and barriers as a manager keeps them for its clients.

Idea: as those of `threading`, over `_serving.Waiters`: a client that hangs up while it waits has
not waited, and a notification meant for it goes to the next. In a barrier nobody else can take
its place: it breaks.

Invariant: as in `_serving`.

Layer: pools and managers; imports the base layer.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable
from threading import BrokenBarrierError
from typing import Any

from .._base.deadline import Deadline
from ._server_locks import RLock
from ._wait_queue import ClientGone, Waiters, service


class Condition:
    """A condition over *lock*: a manager's lock, or what has its methods. None: a new RLock."""

    def __init__(self, lock: Any = None):
        # A proxy that comes back to its manager knows the lock itself.
        local = getattr(lock, "_local_referent", None)
        self._lock = RLock() if lock is None else (local() if local is not None else lock)
        self._mutex = allocate_lock()
        self._waiters = Waiters(self._mutex)
        self.acquire = self._lock.acquire
        self.release = self._lock.release
        if hasattr(self._lock, "locked"):
            self.locked = self._lock.locked
        if hasattr(self._lock, "reset"):
            self.reset = self._lock.reset

    def __enter__(self) -> bool:
        return bool(self._lock.__enter__())

    def __exit__(self, *_: object) -> None:
        self._lock.__exit__(*_)

    def _check_owned(self, doing: str) -> None:
        if not self._is_owned():
            raise RuntimeError(f"cannot {doing} on un-acquired lock")

    def _is_owned(self) -> bool:
        """Whether the lock is held: by this thread, where the lock can tell."""
        for name in ("_is_owned", "locked"):
            method = getattr(self._lock, name, None)
            if method is not None:
                return bool(method())
        if self._lock.acquire(False):
            self._lock.release()
            return False
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock, wait for a notification, take the lock again.

        Returns:
            Whether one came within *timeout* seconds; None waits for ever.
        Raises:
            RuntimeError: the lock is not held.
        """
        self._check_owned("wait")
        deadline = Deadline(timeout)
        with self._mutex:
            # Released with the mutex held: a notification cannot come before the waiting.
            state = self._release_save()
            try:
                called = self._waiters.wait(deadline)
                if called and service.client_is_gone():
                    self._waiters.call()  # it died before it was called: the next one's turn
                    raise ClientGone
            except ClientGone:
                raise  # nobody is there to have the lock back
            except BaseException:
                self._mutex.release()
                self._acquire_restore(state)
                self._mutex.acquire()
                raise
        self._acquire_restore(state)
        service.undo = None
        return called

    def _release_save(self) -> Any:
        save = getattr(self._lock, "_release_save", None)
        return self._lock.release() if save is None else save()

    def _acquire_restore(self, state: Any) -> None:
        restore = getattr(self._lock, "_acquire_restore", None)
        if restore is None:
            self._lock.acquire()
        else:
            restore(state)

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until *predicate* is true; its last value."""
        deadline = Deadline(timeout)
        while not (result := predicate()) and not deadline.expired:
            self.wait(deadline.remaining())
        return result

    def notify(self, n: int = 1) -> None:
        """Wake up to *n* of those who wait. Raises: RuntimeError: the lock is not held."""
        self._check_owned("notify")
        with self._mutex:
            self._waiters.call(n)

    def notify_all(self) -> None:
        """Wake all who wait. Raises: as `notify`."""
        self._check_owned("notify")
        with self._mutex:
            self._waiters.call_all()


class Event:
    """A flag that can be waited for."""

    def __init__(self) -> None:
        self._mutex = allocate_lock()
        self._waiters = Waiters(self._mutex)
        self._flag = False

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        return self._flag

    def set(self) -> None:
        """Set the flag and wake all who wait for it."""
        with self._mutex:
            self._flag = True
            self._waiters.call_all()

    def clear(self) -> None:
        """Take the flag back."""
        with self._mutex:
            self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is set; whether it was, within *timeout* seconds."""
        deadline = Deadline(timeout)
        with self._mutex:
            return self._flag or self._waiters.wait(deadline)


class Barrier:
    """A place where *parties* threads wait for one another; one of them calls *action* each time.

    Args:
        timeout: seconds, for `wait` without any.
    """

    def __init__(
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ):
        if parties < 1:
            raise ValueError("parties must be > 0")
        self._mutex = allocate_lock()
        self._waiters = Waiters(self._mutex)
        self._parties, self._action, self._timeout = parties, action, timeout
        self._round = _Round()

    @property
    def parties(self) -> int:
        """How many it takes."""
        return self._parties

    @property
    def n_waiting(self) -> int:
        """How many are waiting."""
        return len(self._waiters)

    @property
    def broken(self) -> bool:
        """Whether it is broken."""
        return self._round.broken

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the others; the place among them, 0 to parties - 1, that this call had.

        Raises:
            BrokenBarrierError: it is or was broken: by `abort` or `reset`, because somebody has
                waited longer than *timeout* or has died, or because the action failed.
        """
        deadline = Deadline(self._timeout if timeout is None else timeout)
        with self._mutex:
            mine = self._round
            if mine.broken:
                raise BrokenBarrierError
            place = len(self._waiters)
            if place + 1 == self._parties:
                self._open(mine)
                return place
            try:
                called = self._waiters.wait(deadline)
            except BaseException:
                self._break(mine)
                raise
            if mine.broken or not called:
                self._break(mine)
                raise BrokenBarrierError
            return place

    def _open(self, mine: _Round) -> None:
        """The last one has come: let all go on."""
        try:
            if self._action is not None:
                self._action()
        except BaseException:
            self._break(mine)
            raise
        self._round = _Round()
        self._waiters.call_all()

    def _break(self, which: _Round) -> None:
        if which is self._round:  # else the others have gone on already
            which.broken = True
            self._waiters.call_all()

    def abort(self) -> None:
        """Break it."""
        with self._mutex:
            self._break(self._round)

    def reset(self) -> None:
        """Make it as new; those who wait get BrokenBarrierError."""
        with self._mutex:
            self._round.broken = True
            self._round = _Round()
            self._waiters.call_all()


class _Round:
    """One use of a barrier, by all parties."""

    broken = False
