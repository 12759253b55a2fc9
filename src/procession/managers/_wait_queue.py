"""What a thread of the server knows while it serves a call, and how it waits there.

Idea: a thread that has to wait for another client's call waits for two things with one poll(2): for
its bell, an eventfd that the other call rings, and for its own client's hanging up. So a client
that is killed in a call that blocks ends that call, and takes nothing with it.

Invariant: who is called (notified) either returns and says so, or, if its client has gone, passes
the call on to the next: none is lost.

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

if TYPE_CHECKING:
    from _thread import LockType

    from ._sessions import Client

_HANG_UP = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class ClientGone(BaseException):
    """The client for which a thread waits has hung up. Not an error of the call: nobody gets it."""


class MustWait(BaseException):
    """A call would have to wait, in a thread that may not; nothing has been changed by it."""


class Service(threading.local):
    """What concerns the call that this thread serves.

    Attributes:
        fd: the client's connection; -1 in a thread that serves nobody.
        client: the process that calls, if it has said who it is.
        conversation: stands for the calling thread, which has a connection to itself.
        undo: what takes the call back if its answer cannot be delivered.
        may_wait: whether calls may wait in this thread; else they raise `MustWait`.
    """

    fd: int = -1
    client: Client | None = None
    conversation: Any = None
    undo: Callable[[], object] | None = None
    may_wait: bool = True
    _bell: Bell | None = None

    def bell(self) -> Bell:
        """Return this thread's bell."""
        if self._bell is None:
            self._bell = Bell(self.fd)
        return self._bell

    def client_is_gone(self) -> bool:
        """Whether the client has hung up by now."""
        if self.fd < 0:
            return False
        poller = select.poll()
        poller.register(self.fd, _HANG_UP)
        return bool(poller.poll(0))

    def end(self) -> None:
        """Forget everything: the thread serves nobody any more."""
        self.__dict__.clear()


service = Service()


class Bell:
    """Wakes one thread. Args: fd: of the client's connection; -1 if there is none."""

    def __init__(self, fd: int):
        self._event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._fd = fd
        self._poller = select.poll()
        self._poller.register(self._event, select.POLLIN)
        if fd >= 0:
            self._poller.register(fd, _HANG_UP)

    def ring(self) -> None:
        """Wake the thread, now or when it next waits."""
        os.eventfd_write(self._event, 1)

    def wait(self, deadline: Deadline) -> bool:
        """Whether it rang before *deadline*. Raises: ClientGone."""
        found = dict(self._poller.poll(deadline.remaining_ms()))
        if self._event in found:
            os.eventfd_read(self._event)
            return True
        if self._fd in found:
            raise ClientGone
        return False

    def __del__(self, close: Callable[[int], object] = os.close) -> None:
        close(self._event)


class _Waiter:
    __slots__ = ("bell", "called")

    def __init__(self, bell: Bell):
        self.bell = bell
        self.called = False


class Waiters:
    """Those who wait for one thing, first come, first called.

    Args:
        mutex: guards the thing, and this; held by who calls a method.
    """

    def __init__(self, mutex: LockType):
        self._mutex = mutex
        self._queue: deque[_Waiter] = deque()
        self._called = 0  # those that were called and have not come yet

    def __len__(self) -> int:
        return len(self._queue)

    def let_them_first(self) -> None:
        """Have the calling thread not overtake those who wait.

        Raises:
            MustWait: somebody does, or was called just now, and this thread may not wait itself.
        """
        if not service.may_wait and (self._queue or self._called):
            raise MustWait

    def wait(self, deadline: Deadline) -> bool:
        """Wait, without the mutex, until called; whether that was before *deadline*.

        Raises:
            ClientGone: the client hung up; the call, if there was one, was passed on.
            MustWait: this thread may not wait.
        """
        if not service.may_wait:
            raise MustWait
        waiter = _Waiter(service.bell())
        self._queue.append(waiter)
        self._mutex.release()
        try:
            while not waiter.called:
                if not waiter.bell.wait(deadline) and not waiter.called and deadline.expired:
                    break
        except BaseException:
            self._mutex.acquire()
            self._withdraw(waiter)
            raise
        self._mutex.acquire()
        if waiter.called:
            self._called -= 1
        else:
            self._queue.remove(waiter)
        return waiter.called

    def _withdraw(self, waiter: _Waiter) -> None:
        if waiter.called:
            self._called -= 1
            self.call()
        else:
            self._queue.remove(waiter)

    def call(self, n: int = 1) -> int:
        """Wake up to *n* of them; how many there were."""
        count = min(n, len(self._queue))
        self._called += count
        for _ in range(count):
            waiter = self._queue.popleft()
            waiter.called = True
            waiter.bell.ring()
        return count

    def call_all(self) -> None:
        """Wake all of them."""
        self.call(len(self._queue))
