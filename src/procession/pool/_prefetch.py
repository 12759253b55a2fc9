"""How an imap draws its input: some items ahead of the caller, never all.

Idea: an input whose items are there already (a list, a range) is drawn by the caller itself, many
items at a time. Any other iterable may wait for something, even for the results of the same imap;
it is drawn by a thread, item by item, so that results reach the caller meanwhile. Once the pool is
closed and joined, all of the input is sent even if no caller takes results: an item is sent when
the result of an earlier one arrives.

Invariant: at most `bound` items are drawn whose results the caller has not taken; when the pool is
joined, at most as many are under way. A prefetch ends when its job wants no more items (see
`_imap_input`), and holds no reference to the job while it waits.

Layer: pool.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

from ._imap_input import DRAINING

if TYPE_CHECKING:
    from ._dispatcher import Dispatcher
    from ._functions import SharedFunction
    from ._imap import ImapUnorderedJob

SMALLEST_BOUND = 1024
"""Items drawn ahead if the caller does not say; more where the workers would run dry."""


class Prefetch:
    """The part that both kinds of prefetch share.

    Args:
        dispatcher: sends the tasks.
        function: what the tasks call.
        items: the input.
        chunksize: items in a task, 1 or more.
        chunked: whether tasks are lists.
        bound: items to draw ahead, 1 or more.
        retries: how often a task runs again that was lost.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        function: SharedFunction,
        items: Iterable[Any],
        chunksize: int,
        chunked: bool,
        bound: int,
        retries: int,
    ):
        self._dispatcher = dispatcher
        self._function = function
        self._items = iter(items)
        self._chunksize = chunksize
        self._chunked = chunked
        self._bound = max(bound, chunksize)
        self._retries = retries
        self._index = 0

    def start(self, job: ImapUnorderedJob) -> None:
        """Begin to draw and send the tasks of *job*."""
        self._job = weakref.ref(job)
        with self._dispatcher.lock:
            self._dispatcher.check()
            job.start(self)
        self._begin()

    def _begin(self) -> None:
        raise NotImplementedError

    def more(self) -> None:
        """Draw more items if there is room."""
        raise NotImplementedError

    def stop(self) -> None:
        """Look at the job's state: no more items are wanted."""

    def _room(self, job: ImapUnorderedJob) -> int:
        """Return how many items may be drawn now."""
        if job.state is DRAINING:
            return self._bound - job.tasks_under_way * self._chunksize
        return self._bound - job.open_items

    def _draw(self, count: int) -> tuple[list[Any], list[tuple[int, int]], bool]:
        """Return up to *count* items as tasks, with their ranges; True when that was all.

        Raises:
            BaseException: what the input raises. No item is lost then: a thread draws one task at
                a time, and a sequence does not raise.
        """
        if not self._chunked:
            tasks = list(islice(self._items, count))
            ranges = [(i, i + 1) for i in range(self._index, self._index + len(tasks))]
            self._index += len(tasks)
            return tasks, ranges, len(tasks) < count
        tasks, ranges = [], []
        while count >= self._chunksize:
            chunk = list(islice(self._items, self._chunksize))
            if chunk:
                tasks.append(chunk)
                ranges.append((self._index, self._index + len(chunk)))
                self._index += len(chunk)
            if len(chunk) < self._chunksize:
                return tasks, ranges, True
            count -= self._chunksize
        return tasks, ranges, False

    def _send(self, job: ImapUnorderedJob, count: int) -> bool:
        """Draw up to *count* items and send them; True when there is no more to send."""
        tasks: list[Any]
        error: BaseException | None = None
        try:
            tasks, ranges, ended = self._draw(count)
        except BaseException as raised:  # noqa: BLE001 - the caller gets it from next()
            tasks, ranges, ended, error = [], [], True, raised
        with self._dispatcher.lock:
            if not job.state.wants_items:
                return True
            if tasks:
                self._dispatcher.send(job, self._function, tasks, ranges, self._retries)
            if ended:
                job.finish_input(error)
        if ended:
            self._dispatcher.run_callback(job)
        return ended


class InlinePrefetch(Prefetch):
    """Draws in the caller's thread, in ``next``; of a pool that is joined, in the leader's."""

    def _begin(self) -> None:
        self._drawing = threading.RLock()
        self._sending = False  # an item that cannot be sent ends at once, and would ask for more
        # More are drawn once half of the items are done: many at a time cost less.
        self._enough = max(self._bound - self._bound // 2, self._chunksize)
        self._low = self._bound - self._enough
        self.more()

    def more(self) -> None:
        """Draw more items if there is room for many."""
        job = self._job()
        if job is not None and (job.open_items <= self._low or job.state is DRAINING):
            self._refill(job)

    def _refill(self, job: ImapUnorderedJob) -> None:
        with self._drawing:
            if self._sending:
                return
            self._sending = True
            try:
                while job.state.wants_items and (room := self._room(job)) >= self._enough:
                    draining = job.state is DRAINING
                    if self._send(job, room) and draining:
                        self._dispatcher.wake()  # see `ThreadPrefetch`
            finally:
                self._sending = False


class ThreadPrefetch(Prefetch):
    """Draws in a thread of its own."""

    def _begin(self) -> None:
        self._changed = threading.Condition()
        name = f"procession-imap-{self._function.name}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def more(self) -> None:
        """Wake the thread: there may be room."""
        with self._changed:
            self._changed.notify()

    def stop(self) -> None:
        """Wake the thread: no more items are wanted."""
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        while self._wait_for_room():
            job = self._job()
            if job is None:
                return
            if self._send(job, self._chunksize):
                self._dispatcher.wake()  # perhaps no result will come any more
                return

    def _wait_for_room(self) -> bool:
        with self._changed:
            while not self._dispatcher.has_failed():
                job = self._job()
                if job is None or not job.state.wants_items:
                    return False
                if self._room(job) >= self._chunksize:
                    return True
                del job
                self._changed.wait()
        return False


def is_there_already(items: object) -> bool:
    """Whether drawing from *items* never waits for anything."""
    return type(items) in (list, tuple, range, str, bytes, dict, set, frozenset)
