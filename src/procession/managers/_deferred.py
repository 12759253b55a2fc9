"""A lock with a list of work, to which any thread may add at any moment, even the lock's holder.

Idea: the end of a proxy is reported by the garbage collector, which runs anywhere: also in a thread
that holds the very lock which the report needs. So the report is only written down, and carried out
by the thread that has the lock next; as a rule that is the reporting thread itself, at once.

Invariant: no thread waits for the lock in order to write something down, and all that was written
down is carried out before the lock is free for good.

Layer: pools and managers; imports the standard library only.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class DeferringLock(Generic[_Item]):
    """A lock, for use by ``with``, and a list of items to be processed under it.

    Args:
        process: called under the lock with all deferred items, in order; must not raise.
    """

    def __init__(self, process: Callable[[list[_Item]], object]):
        self._process = process
        self._lock = allocate_lock()
        self._deferred: deque[_Item] = deque()

    def defer(self, item: _Item) -> None:
        """Have *item* processed soon. Any thread may call this, also the one that has the lock."""
        self._deferred.append(item)
        self._process_if_free()

    def _process_if_free(self) -> None:
        # The list is read again after the lock was freed: while it was held, another thread may
        # have added an item and left it to this one.
        while self._deferred and self._lock.acquire(blocking=False):
            try:
                self._process_all()
            finally:
                self._lock.release()

    def _process_all(self) -> None:
        items = []
        while self._deferred:
            items.append(self._deferred.popleft())
        if items:
            self._process(items)

    def __enter__(self) -> None:
        self._lock.acquire()
        self._process_all()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()
        self._process_if_free()
