"""Locks and semaphores as a manager keeps them for its clients.

Idea: they work as those of `threading`, but know which client holds them. A client that hangs up
while it waits has not waited. A client that dies while it holds a lock leaves the lock broken: the
next ones that want it are told so, until one calls ``reset``. The permits of a semaphore are given
back.

Invariant: a client that ended in good order, having said goodbye, leaves everything as it was: a
lock that one process has locked may be released by another.

Layer: pools and managers; imports the base layer.
"""

from __future__ import annotations

import threading
from _thread import allocate_lock
from collections import Counter
from typing import Any

from .._base.deadline import Deadline
from .._base.errors import BrokenLockError
from ._wait_queue import WaitQueue, current_call


def _deadline(blocking: bool, timeout: float | None) -> Deadline:
    """Return the meaning of ``acquire(blocking, timeout)``."""
    deadline = Deadline(timeout)
    if blocking:
        return deadline
    if timeout is not None:
        raise ValueError("can't specify a timeout for a non-blocking call")
    return Deadline(0)


class _Acquirable:
    """What locks and semaphores have in common."""

    def __init__(self) -> None:
        self._mutex = allocate_lock()
        self._waiters = WaitQueue(self._mutex)

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Acquire it; return whether that was possible in time (seconds; None waits for ever)."""
        deadline = _deadline(blocking, self._without_limit(timeout))
        with self._mutex:
            if blocking:
                self._waiters.check_not_overtaking()
            while not self._try_acquire():
                if deadline.expired:
                    return False
                self._waiters.wait(deadline)
        current_call.undo = self._undo_acquire
        return True

    @staticmethod
    def _without_limit(timeout: float | None) -> float | None:
        """Return None if *timeout* is what the kind of object documents as no limit."""
        return timeout

    def _try_acquire(self) -> bool:
        """Acquire it, under the mutex, if it is free."""
        raise NotImplementedError

    def _undo_acquire(self) -> None:
        """Undo an `acquire` whose client never learned of it."""
        self.release()

    def release(self) -> None:
        """Release it."""
        raise NotImplementedError

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


class _Breakable(_Acquirable):
    """A lock that its holder's death breaks."""

    def __init__(self) -> None:
        super().__init__()
        self._broken_by: str | None = None

    @staticmethod
    def _without_limit(timeout: float | None) -> float | None:
        return None if timeout == -1 else timeout  # as `threading.Lock` documents it

    def _check(self) -> None:
        if self._broken_by is not None:
            raise BrokenLockError(
                f"{self._broken_by} died while it held this lock: what the lock protects may be "
                f"half changed; make that good, then call reset()"
            )

    def _break(self, holder: str) -> None:
        self._broken_by = holder
        self._waiters.notify_all()

    def reset(self) -> None:
        """Make a broken lock free again; nothing happens to one that is not broken."""
        with self._mutex:
            if self._broken_by is not None:
                self._broken_by = None
                self._set_free()
                self._waiters.notify()

    def _set_free(self) -> None:
        """Note that there is no holder any more."""
        raise NotImplementedError


class Lock(_Breakable):
    """A lock that any client may release."""

    def __init__(self) -> None:
        super().__init__()
        self._locked = False
        self._client: Any = None  # the process that has locked it, if known

    def _try_acquire(self) -> bool:
        self._check()
        if self._locked:
            return False
        self._locked = True
        self._client = current_call.client
        if self._client is not None:
            self._client.held.add(self)
        return True

    def release(self) -> None:
        """Release it, whichever client has locked it. Raises: RuntimeError: it is free."""
        with self._mutex:
            self._check()
            if not self._locked:
                raise RuntimeError("release unlocked lock")
            self._set_free()
            self._waiters.notify()

    def _set_free(self) -> None:
        self._locked = False
        client, self._client = self._client, None
        if client is not None:
            client.held.discard(self)

    def locked(self) -> bool:
        """Return whether it is locked."""
        return self._locked

    def client_died(self, client: Any) -> None:
        """Break, as the process that had locked it is dead."""
        with self._mutex:
            if self._client is client:
                self._break(str(client))


class RLock(_Breakable):
    """A lock that its owner, a thread, may acquire again; only that thread may release it."""

    def __init__(self) -> None:
        super().__init__()
        self._owner: Any = None
        self._count = 0

    @staticmethod
    def _current_thread() -> Any:
        """The thread that calls: a client's, or one of this process."""
        return current_call.caller or threading.get_ident()

    def _try_acquire(self) -> bool:
        self._check()
        thread = self._current_thread()
        if self._count and self._owner != thread:
            return False
        self._owner = thread
        self._count += 1
        if current_call.caller is not None:
            current_call.caller.held.add(self)
        return True

    def release(self) -> None:
        """Undo one `acquire`. Raises: RuntimeError: this thread does not have the lock."""
        with self._mutex:
            self._check()
            if not self._is_owned():
                raise RuntimeError("cannot release un-acquired lock")
            self._count -= 1
            if self._count == 0:
                self._set_free()
                self._waiters.notify()

    def _set_free(self) -> None:
        owner, self._owner = self._owner, None
        self._count = 0
        if not isinstance(owner, int) and owner is not None:
            owner.held.discard(self)

    def locked(self) -> bool:
        """Return whether it is locked."""
        return self._count > 0

    def caller_ended(self, caller: Any) -> None:
        """Break, as the thread that has it is gone, and no other can release it."""
        with self._mutex:
            if self._owner is caller:
                self._break(str(caller))

    # What a condition needs of a lock that may have been acquired several times.

    def _is_owned(self) -> bool:
        return self._count > 0 and self._owner == self._current_thread()

    def _release_save(self) -> int:
        with self._mutex:
            count = self._count
            self._set_free()
            self._waiters.notify()
        return count

    def _acquire_restore(self, count: int) -> None:
        self.acquire()
        self._count = count


class Semaphore(_Acquirable):
    """A number of permits; the permits of a client that dies are given back."""

    def __init__(self, value: int = 1):
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        super().__init__()
        self._value = value
        self._permits: Counter[Any] = Counter()  # client -> how many it has; known clients only

    def _try_acquire(self) -> bool:
        if self._value == 0:
            return False
        self._value -= 1
        client = current_call.client
        if client is not None:
            self._permits[client] += 1
            client.held.add(self)
        return True

    def locked(self) -> bool:
        """Return whether no permit is left."""
        return self._value == 0

    def release(self, n: int = 1) -> None:
        """Give back *n* permits, or add them. Raises: ValueError: *n* is not positive."""
        if n < 1:
            raise ValueError("n must be one or more")
        with self._mutex:
            self._check_release(n)
            for _ in range(n):
                self._note_release()
            self._value += n
            self._waiters.notify(n)

    def _check_release(self, n: int) -> None:
        """Raise ValueError if that would be too many."""

    def _note_release(self) -> None:
        """Note that a permit is back: one of the calling client, or else of any that has one."""
        if not self._permits:
            return
        client = current_call.client
        holder: Any = client if client in self._permits else next(iter(self._permits))
        self._permits[holder] -= 1
        if self._permits[holder] == 0:
            del self._permits[holder]
            holder.held.discard(self)

    def client_died(self, client: Any) -> None:
        """Give back the permits of a process that is dead."""
        with self._mutex:
            n = self._permits.pop(client, 0)
            self._value += n
            self._waiters.notify(n)


class BoundedSemaphore(Semaphore):
    """A semaphore that never has more permits than at first."""

    def __init__(self, value: int = 1):
        super().__init__(value)
        self._initial_value = value

    def _check_release(self, n: int) -> None:
        if self._value + n > self._initial_value:
            raise ValueError("Semaphore released too many times")
