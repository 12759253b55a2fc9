"""A queue as a manager keeps it for its clients.

Idea: it works as `queue.Queue`, but calls wait in a `WaitQueue`: a client that hangs up while it
waits in ``get`` takes no item, and an item that could not be delivered becomes the first one again.

Invariant: no notification is lost (as in `_wait_queue`); the number of unfinished tasks is that of
the items that were put and are not done.

Layer: pools and managers; imports the base layer.
"""

from __future__ import annotations

import queue
from _thread import allocate_lock
from collections import deque
from typing import Any

from .._base.deadline import Deadline
from .._base.queue_shutdown import ShutDown
from ._wait_queue import WaitQueue, current_call


class Queue:
    """A first-in, first-out queue. Args: maxsize: the most items; 0 or less: no limit."""

    def __init__(self, maxsize: int = 0):
        self._maxsize = maxsize
        self._mutex = allocate_lock()
        self._getters = WaitQueue(self._mutex)
        self._putters = WaitQueue(self._mutex)
        self._joiners = WaitQueue(self._mutex)
        self._items: deque[Any] = deque()
        self._unfinished = 0
        self._is_shut_down = False

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        """Put *item*, waiting up to *timeout* seconds for room.

        Raises:
            queue.Full: there was no room in time.
            queue.ShutDown: the queue is shut down.
        """
        deadline = _deadline(block, timeout)
        with self._mutex:
            self._check_open()
            while 0 < self._maxsize <= len(self._items):
                if deadline.expired:
                    raise queue.Full
                self._putters.wait(deadline)
                self._check_open()
            self._items.append(item)
            self._unfinished += 1
            self._getters.notify()

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        """Return the oldest item, waiting up to *timeout* seconds for one.

        Raises:
            queue.Empty: there was no item in time.
            queue.ShutDown: the queue is shut down and empty.
        """
        deadline = _deadline(block, timeout)
        with self._mutex:
            if block:
                self._getters.check_not_overtaking()
            while not self._items:
                self._check_open()
                if deadline.expired:
                    raise queue.Empty
                self._getters.wait(deadline)
            item = self._items.popleft()
            self._putters.notify()
        current_call.undo = lambda: self._put_back(item)
        return item

    def _put_back(self, item: Any) -> None:
        with self._mutex:
            self._items.appendleft(item)
            self._getters.notify()

    def _check_open(self) -> None:
        if self._is_shut_down:
            raise ShutDown

    def shutdown(self, immediate: bool = False) -> None:
        """Refuse further puts, and gets once the queue is empty; calls that wait end with ShutDown.

        Args:
            immediate: discard the items that are there; they count as done.
        """
        with self._mutex:
            self._is_shut_down = True
            if immediate:
                self._unfinished = max(0, self._unfinished - len(self._items))
                self._items.clear()
                if self._unfinished == 0:
                    self._joiners.notify_all()
            self._getters.notify_all()
            self._putters.notify_all()

    def put_nowait(self, item: Any) -> None:
        """Do ``put(item, block=False)``."""
        self.put(item, False)

    def get_nowait(self) -> Any:
        """Do ``get(block=False)``."""
        return self.get(False)

    def qsize(self) -> int:
        """Return the number of items."""
        return len(self._items)

    def empty(self) -> bool:
        """Return whether there is no item."""
        return not self._items

    def full(self) -> bool:
        """Return whether there is no room."""
        return 0 < self._maxsize <= len(self._items)

    def task_done(self) -> None:
        """Report that an item is done. Raises: ValueError: there were fewer items than reports."""
        with self._mutex:
            if self._unfinished == 0:
                raise ValueError("task_done() called too many times")
            self._unfinished -= 1
            if self._unfinished == 0:
                self._joiners.notify_all()

    def join(self) -> None:
        """Wait until all items that were put are done."""
        with self._mutex:
            while self._unfinished:
                self._joiners.wait(Deadline(None))


def _deadline(block: bool, timeout: float | None) -> Deadline:
    deadline = Deadline(timeout)
    return deadline if block else Deadline(0)
