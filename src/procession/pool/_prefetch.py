"""How an imap draws its input: some items ahead of the caller, never all.

Idea: an input that is there already (a list, a range) is drawn by the caller itself, many items at
a time. Any other iterable may wait for something, even for the results of the same imap; it is
drawn by a thread, item by item, so that results reach the caller meanwhile. Once the pool is closed
and joined, all of the input is to be done though nobody takes results: then items go out as those
before come back.

Invariant: at most `bound` items are drawn whose results the caller has not taken; of a pool that is
joined, at most as many that are under way. A feed ends with its input, with the iterator's end, or
with the pool, and holds no reference to the iterator while it waits.

Layer: pool.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._dispatcher import Dispatcher
    from ._functions import Program
    from ._imap import Unordered

SMALLEST_BOUND = 1024
"""Items drawn ahead if the caller does not say; more where the workers would run dry."""


class Feed:
    """The state that both kinds of feed share.

    Args:
        dispatcher: who sends.
        program: what the tasks are for.
        items: the input.
        chunksize: items in a task, 1 or more.
        chunked: whether tasks are lists.
        bound: items to draw ahead, 1 or more.
        retries: how often a task runs again that was lost.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        program: Program,
        items: Iterable[Any],
        chunksize: int,
        chunked: bool,
        bound: int,
        retries: int,
    ):
        self._dispatcher = dispatcher
        self._program = program
        self._items = iter(items)
        self._chunksize = chunksize
        self._chunked = chunked
        self._bound = max(bound, chunksize)
        self._retries = retries
        self._index = 0
        self._finishing = False  # the pool is joined: nobody need take results
        self._stopped = False

    def start(self, job: Unordered) -> None:
        """Begin to draw and send the tasks of *job*."""
        self._job = weakref.ref(job)
        with self._dispatcher.lock:
            self._dispatcher.check()
            job.fed_by(self)
        self._begin()

    def _begin(self) -> None:
        raise NotImplementedError

    def more(self) -> None:
        """There may be room for more items."""
        raise NotImplementedError

    def stop(self) -> None:
        """No more items are wanted."""
        self._stopped = True

    def finish(self) -> None:
        """Draw all that is left, though nobody takes the results."""
        self._finishing = True
        self.more()

    def _room(self, job: Unordered) -> int:
        """How many items may be drawn now."""
        if self._finishing:
            return self._bound - job.tasks_under_way * self._chunksize
        return self._bound - job.open_items

    def _draw(self, count: int) -> tuple[list[Any], list[tuple[int, int]], bool]:
        """Up to *count* items as tasks and pieces; True when that was all.

        Raises:
            BaseException: what the input raises; what was drawn before is lost to nobody, as a
                thread draws one task at a time and a sequence does not raise.
        """
        if not self._chunked:
            tasks = list(islice(self._items, count))
            pieces = [(i, i + 1) for i in range(self._index, self._index + len(tasks))]
            self._index += len(tasks)
            return tasks, pieces, len(tasks) < count
        tasks, pieces = [], []
        while count >= self._chunksize:
            chunk = list(islice(self._items, self._chunksize))
            if chunk:
                tasks.append(chunk)
                pieces.append((self._index, self._index + len(chunk)))
                self._index += len(chunk)
            if len(chunk) < self._chunksize:
                return tasks, pieces, True
            count -= self._chunksize
        return tasks, pieces, False

    def _send(self, job: Unordered, count: int) -> bool:
        """Draw and send; True when there is no more to send."""
        tasks: list[Any]
        error: BaseException | None = None
        try:
            tasks, pieces, ended = self._draw(count)
        except BaseException as raised:  # noqa: BLE001 - the caller gets it from next()
            tasks, pieces, ended, error = [], [], True, raised
        with self._dispatcher.lock:
            if self._stopped:
                return True
            if tasks:
                self._dispatcher.send(job, self._program, tasks, pieces, self._retries)
            if ended:
                self._stopped = True
                job.end_of_input(error)
        if ended:
            self._dispatcher.call_back(job)
        return ended


class InlineFeed(Feed):
    """Drawn by the caller, in ``next``; of a pool that is joined, by who gives out results."""

    def _begin(self) -> None:
        self._drawing = threading.RLock()
        self._sending = False  # an item that cannot be sent is over at once, and asks for more
        # Refilled once half of the items are done: many at a time cost less.
        self._enough = max(self._bound - self._bound // 2, self._chunksize)
        self._low = self._bound - self._enough
        self.more()

    def more(self) -> None:
        """See `Feed`."""
        job = self._job()
        if job is not None and (job.open_items <= self._low or self._finishing):
            self._refill(job)

    def _refill(self, job: Unordered) -> None:
        with self._drawing:
            if self._sending:
                return
            self._sending = True
            try:
                while not self._stopped and (room := self._room(job)) >= self._enough:
                    if self._send(job, room) and self._finishing:
                        self._dispatcher.wake()  # see `ThreadFeed`
            finally:
                self._sending = False


class ThreadFeed(Feed):
    """Drawn by a thread of its own."""

    def _begin(self) -> None:
        self._changed = threading.Condition()
        name = f"procession-imap-{self._program.name}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def more(self) -> None:
        """See `Feed`."""
        with self._changed:
            self._changed.notify()

    def stop(self) -> None:
        """See `Feed`."""
        self._stopped = True
        with self._changed:
            self._changed.notify()

    def _run(self) -> None:
        while self._wait_for_room():
            job = self._job()
            if job is None:
                return
            if self._send(job, self._chunksize):
                self._dispatcher.wake()  # perhaps there will be no result any more
                return

    def _wait_for_room(self) -> bool:
        with self._changed:
            while not self._stopped and not self._dispatcher.is_over():
                job = self._job()
                if job is None:
                    return False
                if self._room(job) >= self._chunksize:
                    return True
                del job
                self._changed.wait()
        return False


def is_there_already(items: object) -> bool:
    """Whether drawing from *items* never waits for anything."""
    return type(items) in (list, tuple, range, str, bytes, dict, set, frozenset)
