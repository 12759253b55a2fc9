"""Work that may come at any moment, also in the middle of itself.

Idea: a proxy's end is told by the garbage collector, which runs wherever it likes: in a thread that
holds the very lock the work needs. So the work is only noted, and done by whoever has the lock
next: at once, as a rule.

Invariant: nobody waits for the lock in order to note something, and what was noted is done by the
time the lock is free.

Layer: pools and managers; imports the standard library only.
"""

from __future__ import annotations

from _thread import allocate_lock
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Generic, TypeVar

_Item = TypeVar("_Item")


class Deferred(Generic[_Item]):
    """A lock, for use by ``with``, and what is to be done under it.

    Args:
        do: called with all that has been noted, in order, under the lock; must not raise.
    """

    def __init__(self, do: Callable[[list[_Item]], object]):
        self._do = do
        self._lock = allocate_lock()
        self._noted: deque[_Item] = deque()

    def note(self, item: _Item) -> None:
        """Have *item* done soon; from any thread, under the lock as well."""
        self._noted.append(item)
        self._catch_up()

    def _catch_up(self) -> None:
        # Looked at again after the lock was freed: somebody may have noted more, and left it to us.
        while self._noted and self._lock.acquire(blocking=False):
            try:
                self._do_noted()
            finally:
                self._lock.release()

    def _do_noted(self) -> None:
        items = []
        while self._noted:
            items.append(self._noted.popleft())
        if items:
            self._do(items)

    def __enter__(self) -> None:
        self._lock.acquire()
        self._do_noted()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._lock.release()
        self._catch_up()
