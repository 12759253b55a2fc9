"""How a thread of the server waits in a call, and what it knows of the call that it serves.

Idea: a thread that waits for the call of another client waits for two things with one poll(2): for
its wake-up, which the other call sets, and for its own client to hang up. So a client that is
killed in a call that blocks ends that call, and takes nothing away from the other clients.

Invariant: a waiter that was notified either returns and reports so, or, if its client is gone,
passes the notification on to the next waiter: none is lost.

Layer: pools and managers; imports the base layer.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .._base.deadline import Deadline
from .._base.poll import hung_up
from .._base.wakeup import Wakeup

if TYPE_CHECKING:
    from _thread import LockType

    from ._sessions import Client


class ClientGone(BaseException):
    """The client for which a thread waits has hung up. It is not sent: there is no receiver."""


class MustWait(BaseException):
    """A call would have to wait, in a thread that may not wait; nothing was changed by the call."""


class CurrentCall(threading.local):
    """What concerns the call that this thread serves.

    Attributes:
        fd: the client's connection; -1 in a thread that serves no client.
        client: the process that calls, if it has said which one it is.
        caller: the `Caller`, which stands for the calling thread of the client.
        undo: undoes the call; called if its reply cannot be delivered.
        may_wait: whether calls may wait in this thread; else they raise `MustWait`.
    """

    fd: int = -1
    client: Client | None = None
    caller: Any = None
    undo: Callable[[], object] | None = None
    may_wait: bool = True
    _wakeup: ThreadWakeup | None = None

    def wakeup(self) -> ThreadWakeup:
        """Return the wake-up of this thread."""
        if self._wakeup is None:
            self._wakeup = ThreadWakeup(self.fd)
        return self._wakeup

    def client_is_gone(self) -> bool:
        """Return whether the client has hung up by now."""
        return self.fd >= 0 and hung_up(self.fd)

    def clear(self) -> None:
        """Forget everything: the thread does not serve a client any more."""
        self.__dict__.clear()


current_call = CurrentCall()


class ThreadWakeup(Wakeup):
    """Wakes one thread. Args: client_fd: of the client's connection; -1 if there is none.

    It is closed with its last reference, as another thread may just be setting it.
    """

    def __init__(self, client_fd: int):
        super().__init__()
        self._poller = select.poll()
        self._poller.register(self.fileno(), select.POLLIN)
        if client_fd >= 0:
            self._poller.register(client_fd, select.POLLRDHUP)

    def wait(self, deadline: Deadline) -> bool:
        """Return whether it was set before *deadline*. Raises: ClientGone."""
        ready = [fd for fd, _ in self._poller.poll(deadline.remaining_ms())]
        if self.fileno() in ready:
            self.clear()
            return True
        if ready:
            raise ClientGone
        return False

    # Bound early: it may run when the module's globals are gone. Without a descriptor there is
    # no poller.
    def __del__(self, close: Callable[[int], object] = os.close) -> None:
        if hasattr(self, "_poller"):
            close(self.fileno())


class _Waiter:
    __slots__ = ("notified", "wakeup")

    def __init__(self, wakeup: ThreadWakeup):
        self.wakeup = wakeup
        self.notified = False


class WaitQueue:
    """The threads that wait for one thing; the first that came is the first to be notified.

    Args:
        mutex: guards the thing and this queue; the caller of each method holds it.
    """

    def __init__(self, mutex: LockType):
        self._mutex = mutex
        self._queue: deque[_Waiter] = deque()
        self._on_their_way = 0  # waiters that were notified and do not run yet

    def __len__(self) -> int:
        return len(self._queue)

    def check_not_overtaking(self) -> None:
        """Keep a thread that may not wait from overtaking those that do.

        Raises:
            MustWait: this thread may not wait, and another waits or was notified just now.
        """
        if not current_call.may_wait and (self._queue or self._on_their_way):
            raise MustWait

    def wait(self, deadline: Deadline) -> bool:
        """Wait, without the mutex, until notified; return whether that was before *deadline*.

        Raises:
            ClientGone: the client hung up; a notification, if there was one, was passed on.
            MustWait: this thread may not wait.
        """
        if not current_call.may_wait:
            raise MustWait
        waiter = _Waiter(current_call.wakeup())
        self._queue.append(waiter)
        self._mutex.release()
        try:
            while not waiter.notified:
                if not waiter.wakeup.wait(deadline) and not waiter.notified and deadline.expired:
                    break
        except BaseException:
            self._mutex.acquire()
            self._remove(waiter)
            raise
        self._mutex.acquire()
        if waiter.notified:
            self._on_their_way -= 1
        else:
            self._queue.remove(waiter)
        return waiter.notified

    def _remove(self, waiter: _Waiter) -> None:
        """Remove a waiter that will not run; pass on the notification that it may have got."""
        if waiter.notified:
            self._on_their_way -= 1
            self.notify()
        else:
            self._queue.remove(waiter)

    def notify(self, n: int = 1) -> int:
        """Wake up to *n* of the waiters; return how many were woken."""
        count = min(n, len(self._queue))
        self._on_their_way += count
        for _ in range(count):
            waiter = self._queue.popleft()
            waiter.notified = True
            waiter.wakeup.set()
        return count

    def notify_all(self) -> None:
        """Wake all waiters."""
        self.notify(len(self._queue))
