"""How an imap draws its input: some items ahead of the caller, never all.

Idea: an input that is there already (a list, a range) is drawn by the caller itself, many items at
a time. Any other iterable may wait for something, even for the results of the same imap; it is
drawn by a thread, item by item, so that results reach the caller meanwhile.

Invariant: at most `bound` items are drawn whose results the caller has not taken. A feed ends with
its input, with the iterator's end, or with the pool, and holds no reference to the iterator while
it waits.

Layer: pool.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterable
from itertools import islice
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .dispatcher import Dispatcher
    from .imap import IMapUnorderedIterator
    from .program import Program

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

    def _send(self, job: IMapUnorderedIterator, count: int) -> bool:
        """Draw and send; True when the input has ended."""
        try:
            tasks, pieces, ended = self._draw(count)
        except BaseException as error:  # noqa: BLE001 - the caller gets it from next()
            with self._dispatcher.lock:
                if not job.was_cancelled:
                    job.end_of_input(self._index, error)
            return True
        with self._dispatcher.lock:
            if job.was_cancelled:
                return True
            if tasks:
                self._dispatcher.send(job, self._program, tasks, pieces, self._retries)
            if ended:
                job.end_of_input(self._index, None)
        return ended


class InlineFeed(Feed):
    """Drawn by the caller, in ``next``."""

    def start(self, job: IMapUnorderedIterator) -> None:
        """Send the first tasks of *job*."""
        if not self._send(job, self._bound):
            job.fed_by(self)
            self._job = weakref.ref(job)

    def more(self) -> None:
        """Refill once half of the items are done: many at a time cost less."""
        job = self._job()
        if job is not None and job.open_items <= self._bound // 2:
            self._send(job, self._bound - job.open_items)

    def stop(self) -> None:
        """Nothing runs that would have to be stopped."""


class ThreadFeed(Feed):
    """Drawn by a thread of its own."""

    def start(self, job: IMapUnorderedIterator) -> None:
        """Begin to draw and send the tasks of *job*."""
        self._job = weakref.ref(job)
        self._stopped = False
        self._room = threading.Condition()
        job.fed_by(self)
        self._dispatcher.stop_at_end(self)
        name = f"procession-imap-{self._program.name}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def more(self) -> None:
        """See `Feeding`."""
        with self._room:
            self._room.notify()

    def stop(self) -> None:
        """See `Feeding`."""
        self._stopped = True
        with self._room:
            self._room.notify()

    def _run(self) -> None:
        while self._wait_for_room():
            job = self._job()
            if job is None:
                return
            if self._send(job, self._chunksize):
                self._dispatcher.wake()  # perhaps there will be no result any more
                return

    def _wait_for_room(self) -> bool:
        with self._room:
            while not self._stopped and not self._dispatcher.is_over():
                job = self._job()
                if job is None:
                    return False
                if job.open_items + self._chunksize <= self._bound:
                    return True
                del job
                self._room.wait()
        return False


def is_there_already(items: object) -> bool:
    """Whether drawing from *items* never waits for anything."""
    return type(items) in (list, tuple, range, str, bytes, dict, set, frozenset)
