"""Locks and semaphores as a manager keeps them for its clients.

Idea: they work as those of `threading`, but know for which client they are held. A client that
hangs up while it waits has not waited; one that dies while it holds a lock leaves the lock
broken: who wants it is told, until somebody calls ``reset``. Permits of a semaphore are given
back.

Invariant: who ended in good order, having said so, leaves everything as it was: what one
process has locked, another may release.

Layer: pools and managers; imports the base layer.
"""

from __future__ import annotations

import threading
from _thread import allocate_lock
from collections import Counter
from typing import Any

from .._base.deadline import Deadline
from .._base.errors import BrokenLockError
from ._wait_queue import Waiters, service


def _deadline(blocking: bool, timeout: float | None) -> Deadline:
    """What ``acquire(blocking, timeout)`` means: -1 and None are no limit."""
    if not blocking:
        if timeout not in (None, -1):
            raise ValueError("can't specify a timeout for a non-blocking call")
        return Deadline(0)
    if timeout is None or timeout == -1:
        return Deadline(None)
    if timeout < 0:
        raise ValueError("timeout value must be a non-negative number")
    return Deadline(timeout)


class _Acquirable:
    """What locks and semaphores have in common."""

    def __init__(self) -> None:
        self._mutex = allocate_lock()
        self._waiters = Waiters(self._mutex)

    def acquire(self, blocking: bool = True, timeout: float | None = -1) -> bool:
        """Take it; whether that was possible in time (seconds; -1 waits for ever)."""
        deadline = _deadline(blocking, timeout)
        with self._mutex:
            if blocking:
                self._waiters.let_them_first()
            while not self._take():
                if deadline.expired:
                    return False
                self._waiters.wait(deadline)
        service.undo = self._undo
        return True

    def _take(self) -> bool:
        """Take it, under the mutex, if it is free."""
        raise NotImplementedError

    def _undo(self) -> None:
        """Take back an `acquire` of which the client never learned."""
        self.release()

    def release(self) -> None:
        """Give it back."""
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

    def _check(self) -> None:
        if self._broken_by is not None:
            raise BrokenLockError(
                f"{self._broken_by} died while it held this lock: what the lock protects may be "
                f"half changed; make that good, then call reset()"
            )

    def _break(self, who: str) -> None:
        self._broken_by = who
        self._waiters.call_all()

    def reset(self) -> None:
        """Make a broken lock free again; nothing happens to one that is not broken."""
        with self._mutex:
            if self._broken_by is not None:
                self._broken_by = None
                self._forget()
                self._waiters.call()

    def _forget(self) -> None:
        """Nobody holds it any more."""
        raise NotImplementedError


class Lock(_Breakable):
    """A lock that any client may release."""

    def __init__(self) -> None:
        super().__init__()
        self._locked = False
        self._client: Any = None  # the process that has taken it, if known

    def _take(self) -> bool:
        self._check()
        if self._locked:
            return False
        self._locked = True
        self._client = service.client
        if self._client is not None:
            self._client.held.add(self)
        return True

    def release(self) -> None:
        """Free it, whoever has taken it. Raises: RuntimeError: it is free."""
        with self._mutex:
            self._check()
            if not self._locked:
                raise RuntimeError("release unlocked lock")
            self._forget()
            self._waiters.call()

    def _forget(self) -> None:
        self._locked = False
        client, self._client = self._client, None
        if client is not None:
            client.held.discard(self)

    def locked(self) -> bool:
        """Return whether somebody has it."""
        return self._locked

    def client_died(self, client: Any) -> None:
        """The process that had taken it is gone."""
        with self._mutex:
            if self._client is client:
                self._break(str(client))


class RLock(_Breakable):
    """A lock that the thread which has it may take again; only that thread may release it."""

    def __init__(self) -> None:
        super().__init__()
        self._owner: Any = None
        self._count = 0

    @staticmethod
    def _me() -> Any:
        return service.conversation or threading.get_ident()

    def _take(self) -> bool:
        self._check()
        me = self._me()
        if self._count and self._owner != me:
            return False
        self._owner = me
        self._count += 1
        if service.conversation is not None:
            service.conversation.held.add(self)
        return True

    def release(self) -> None:
        """Undo one `acquire`. Raises: RuntimeError: another thread has it, or nobody."""
        with self._mutex:
            self._check()
            if not self._is_owned():
                raise RuntimeError("cannot release un-acquired lock")
            self._count -= 1
            if self._count == 0:
                self._forget()
                self._waiters.call()

    def _forget(self) -> None:
        owner, self._owner = self._owner, None
        self._count = 0
        if not isinstance(owner, int) and owner is not None:
            owner.held.discard(self)

    def locked(self) -> bool:
        """Return whether somebody has it."""
        return self._count > 0

    def conversation_ended(self, conversation: Any) -> None:
        """The thread that has it is gone, so nobody can release it."""
        with self._mutex:
            if self._owner is conversation:
                self._break(str(conversation))

    # What a condition needs of a lock that may have been taken several times.

    def _is_owned(self) -> bool:
        return self._count > 0 and self._owner == self._me()

    def _release_save(self) -> int:
        with self._mutex:
            count = self._count
            self._forget()
            self._waiters.call()
        return count

    def _acquire_restore(self, count: int) -> None:
        self.acquire()
        self._count = count


class Semaphore(_Acquirable):
    """A number of permits; those of a client that dies are given back."""

    def __init__(self, value: int = 1):
        if value < 0:
            raise ValueError("semaphore initial value must be >= 0")
        super().__init__()
        self._value = value
        self._taken: Counter[Any] = Counter()  # client -> permits; of those that are known

    def _take(self) -> bool:
        if self._value == 0:
            return False
        self._value -= 1
        client = service.client
        if client is not None:
            self._taken[client] += 1
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
                self._forget_one()
            self._value += n
            self._waiters.call(n)

    def _check_release(self, n: int) -> None:
        """Raise ValueError if that would be too many."""

    def _forget_one(self) -> None:
        """Note that a permit is back: one of this client, or else of whoever has any."""
        if not self._taken:
            return
        client = service.client
        holder: Any = client if client in self._taken else next(iter(self._taken))
        self._taken[holder] -= 1
        if self._taken[holder] == 0:
            del self._taken[holder]
            holder.held.discard(self)

    def client_died(self, client: Any) -> None:
        """The permits of that process are free."""
        with self._mutex:
            n = self._taken.pop(client, 0)
            self._value += n
            self._waiters.call(n)


class BoundedSemaphore(Semaphore):
    """A semaphore that never has more permits than at first."""

    def __init__(self, value: int = 1):
        super().__init__(value)
        self._initial_value = value

    def _check_release(self, n: int) -> None:
        if self._value + n > self._initial_value:
            raise ValueError("Semaphore released too many times")
