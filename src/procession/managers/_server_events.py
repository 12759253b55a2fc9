"""Conditions, events and barriers as a manager keeps them for its clients.

Idea: they work as those of `threading`, but wait in a `WaitQueue`: a client that hangs up while it
waits has not waited, and a notification meant for it goes to the next waiter. In a barrier no other
party can stand in for a client that is gone: the barrier breaks.

Invariant: no notification is lost (as in `_wait_queue`); the parties of one round of a barrier all
pass it, or all get an error.

Layer: pools and managers; imports the base layer.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections.abc import Callable
from threading import BrokenBarrierError
from typing import Any

from .._base.deadline import Deadline
from ._server_locks import RLock
from ._wait_queue import ClientGone, WaitQueue, current_call


class Condition:
    """A condition over *lock*: a manager's lock, or an object like one. None: a new RLock."""

    def __init__(self, lock: Any = None):
        # A proxy that came back to its manager stands for a lock of this process.
        local = getattr(lock, "_local_referent", None)
        self._lock = RLock() if lock is None else (local() if local is not None else lock)
        self._mutex = allocate_lock()
        self._waiters = WaitQueue(self._mutex)
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
        """Whether the lock is held: by this thread, if the lock knows its owner."""
        for name in ("_is_owned", "locked"):
            method = getattr(self._lock, name, None)
            if method is not None:
                return bool(method())
        if self._lock.acquire(False):
            self._lock.release()
            return False
        return True

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock, wait for a notification, acquire the lock again.

        Returns:
            Whether a notification came within *timeout* seconds; None waits for ever.
        Raises:
            RuntimeError: the lock is not held.
        """
        self._check_owned("wait")
        deadline = Deadline(timeout)
        with self._mutex:
            # Released with the mutex held: a notification cannot come before this thread waits.
            state = self._release_save()
            try:
                notified = self._waiters.wait(deadline)
                if notified and current_call.client_is_gone():
                    self._waiters.notify()  # the next waiter instead
                    raise ClientGone
            except ClientGone:
                raise  # no client is there to have the lock back
            except BaseException:
                self._mutex.release()
                self._acquire_restore(state)
                self._mutex.acquire()
                raise
        self._acquire_restore(state)
        current_call.undo = None
        return notified

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
        """Wait until *predicate* is true; return its last value."""
        deadline = Deadline(timeout)
        while not (result := predicate()) and not deadline.expired:
            self.wait(deadline.remaining())
        return result

    def notify(self, n: int = 1) -> None:
        """Wake up to *n* of the waiters. Raises: RuntimeError: the lock is not held."""
        self._check_owned("notify")
        with self._mutex:
            self._waiters.notify(n)

    def notify_all(self) -> None:
        """Wake all waiters. Raises: as `notify`."""
        self._check_owned("notify")
        with self._mutex:
            self._waiters.notify_all()


class Event:
    """A flag that can be waited for."""

    def __init__(self) -> None:
        self._mutex = allocate_lock()
        self._waiters = WaitQueue(self._mutex)
        self._flag = False

    def is_set(self) -> bool:
        """Return whether the flag is set."""
        return self._flag

    def set(self) -> None:
        """Set the flag and wake all waiters."""
        with self._mutex:
            self._flag = True
            self._waiters.notify_all()

    def clear(self) -> None:
        """Clear the flag."""
        with self._mutex:
            self._flag = False

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is set; return whether it was, within *timeout* seconds."""
        deadline = Deadline(timeout)
        with self._mutex:
            return self._flag or self._waiters.wait(deadline)


class Barrier:
    """A point where *parties* threads wait for one another; one of them calls *action* each time.

    Args:
        timeout: seconds, for a `wait` that is given none.
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
        self._waiters = WaitQueue(self._mutex)
        self._parties, self._action, self._timeout = parties, action, timeout
        self._round = _Round()

    @property
    def parties(self) -> int:
        """The number of threads that it takes to pass."""
        return self._parties

    @property
    def n_waiting(self) -> int:
        """The number of threads that are waiting."""
        return len(self._waiters)

    @property
    def broken(self) -> bool:
        """Whether it is broken."""
        return self._round.broken

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the others; return this call's index among them, 0 to parties - 1.

        Raises:
            BrokenBarrierError: it is or was broken: by `abort` or `reset`, because a party has
                waited longer than *timeout* or has died, or because the action failed.
        """
        deadline = Deadline(self._timeout if timeout is None else timeout)
        with self._mutex:
            this_round = self._round
            if this_round.broken:
                raise BrokenBarrierError
            index = len(self._waiters)
            if index + 1 == self._parties:
                self._let_pass(this_round)
                return index
            try:
                notified = self._waiters.wait(deadline)
            except BaseException:
                self._break(this_round)
                raise
            if this_round.broken or not notified:
                self._break(this_round)
                raise BrokenBarrierError
            return index

    def _let_pass(self, this_round: _Round) -> None:
        """Let all parties go on: the last one has come."""
        try:
            if self._action is not None:
                self._action()
        except BaseException:
            self._break(this_round)
            raise
        self._round = _Round()
        self._waiters.notify_all()

    def _break(self, this_round: _Round) -> None:
        if this_round is self._round:  # else the others have gone on already
            this_round.broken = True
            self._waiters.notify_all()

    def abort(self) -> None:
        """Break it: all that wait get BrokenBarrierError."""
        with self._mutex:
            self._break(self._round)

    def reset(self) -> None:
        """Make it as new; all that wait get BrokenBarrierError."""
        with self._mutex:
            self._round.broken = True
            self._round = _Round()
            self._waiters.notify_all()


class _Round:
    """One use of a barrier, by all parties."""

    broken = False
