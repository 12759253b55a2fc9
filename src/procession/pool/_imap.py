"""The results of an imap, one by one.

Idea: the job has a shelf. What becomes of its tasks is put there, at once or in the order of the
input; the iterator takes from it, and lets the feed (see `feed`) send more. They are two, so that
it shows when the caller has forgotten the iterator while tasks are under way.

Invariant: `open_items` counts the items that were drawn from the input and whose results the caller
has not taken; the feed keeps it below its bound. While input is left, the dispatcher holds on to a
job that was never asked for a result, for that is how tasks are given whose results nobody wants;
one that was asked and is forgotten ends its input.

Layer: pool.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from .._base import errors
from .._base.deadline import Deadline
from ._chunking import in_words
from ._progress import Progress, both

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._dispatcher import Dispatcher

_Outcome = tuple[bool, Any]


class Feeding(Protocol):
    """What the iterator needs of its feed."""

    def more(self) -> None:
        """There may be room for more items."""

    def finish(self) -> None:
        """All of the input is wanted, though nobody takes results."""

    def stop(self) -> None:
        """No more items are wanted."""


class Unordered:
    """The job of an imap_unordered.

    Args:
        dispatcher: who receives.
        name: of the function, for messages.
        chunked: whether a task is a list of items, and its value a list of results.
    """

    def __init__(self, dispatcher: Dispatcher, name: str, chunked: bool):
        self._dispatcher = dispatcher
        self.name = name
        self._chunked = chunked
        self.shelf: deque[_Outcome] = deque()
        self._places: dict[int, tuple[int, int]] = {}
        self.feed: Feeding | None = None
        self._fed = False  # the input has ended
        self._length = 0  # of the input, as far as it was sent
        self.asked = self._finishing = self._forgotten = False
        self.open_items = 0
        self.progress: Progress | None = None
        self._owner: Any = None  # the pool, which must live until the job is done

    # --------------------------------------------------------------------------- for the iterator

    def ask(self) -> None:
        """A result is wanted: from now on the job ends with its iterator."""
        self.asked = True
        with self._dispatcher.lock:
            if not self._finishing:
                self._dispatcher.fed.discard(self)

    def forget(self) -> None:
        """The iterator is gone. Takes no lock: the collector may call it anywhere."""
        self._forgotten = self.asked
        if self.asked and not self._finishing and self.feed is not None:
            self.feed.stop()

    def wait(self, timeout: float | None) -> None:
        """Wait until there is something on the shelf. Raises: as `IMapUnorderedIterator.next`."""
        if self.feed is not None:
            self.feed.more()
        if not self._has_news():
            self._dispatcher.wait_until(self._has_news, Deadline(timeout))
        if self.shelf:
            return
        if self._is_over():
            raise StopIteration
        raise errors.TimeoutError(f"no result of {self.name} within {timeout} s")

    def cancel(self, begun: bool) -> bool:
        """See `IMapUnorderedIterator`."""
        from concurrent.futures import CancelledError  # not cheap, and only for this

        if self.feed is not None:
            self.feed.stop()
        with self._dispatcher.lock:
            self.end_of_input(None)
            self._owner = None
            has_begun = self._dispatcher.has_begun
            numbers = [n for n in self._places if begun or not has_begun(n)]
        error = CancelledError(f"{self.name}: cancelled")
        were_some = self._dispatcher.cancel(self, numbers, error)
        self._dispatcher.call_back(self)
        return were_some

    def __del__(self) -> None:
        if self.feed is not None:
            self.feed.stop()
        if self.progress is not None:
            self.progress.close()

    # ---------------------------------------------------- for the feed; the dispatcher is locked

    def fed_by(self, feed: Feeding) -> None:
        """More items come from *feed*."""
        self.feed = feed
        self._dispatcher.feeds.add(self)
        self._dispatcher.fed.add(self)

    def finish(self) -> None:
        """See `Fed`."""
        feed = self.feed
        with self._dispatcher.lock:
            if feed is None or self._fed or self._forgotten:
                return
            self._finishing = True
            self._dispatcher.fed.add(self)
        feed.finish()

    def give_up(self, error: BaseException) -> None:
        """See `Fed`. *error* comes behind the results."""
        with self._dispatcher.lock:
            if self.feed is not None and not self._fed:
                self.feed.stop()
                self.end_of_input(error)

    @property
    def tasks_under_way(self) -> int:
        """How many tasks have not ended."""
        return len(self._places)

    def place(self, first: int, pieces: list[tuple[int, int]]) -> None:
        """Task *first* is the first of *pieces* (start, end), the next number the second, ..."""
        self._places.update(zip(range(first, first + len(pieces)), pieces, strict=True))
        self.open_items += pieces[-1][1] - pieces[0][0]
        self._length = pieces[-1][1]

    def withdraw(self, number: int, error: BaseException) -> None:
        """Task *number* was cancelled: no result comes."""
        start, end = self._places.pop(number)
        self.open_items -= end - start

    def renumber(self, old: int, new: int) -> None:
        """See `Job`."""
        self._places[new] = self._places.pop(old)

    def end_of_input(self, error: BaseException | None) -> None:
        """Nothing more is sent; *error* comes behind the results, if there is one."""
        self.feed = None
        self._fed = True
        self._dispatcher.fed.discard(self)
        if error is not None:
            self.open_items += 1
            self._put(self._length, self._length + 1, [(False, error)])
        if not self._places:
            self._owner = None

    # ---------------------------------------------------- for the dispatcher, which is locked

    def take(self, number: int, ok: bool, value: Any) -> None:
        """See `Job`."""
        start, end = self._places.pop(number)
        if self.progress is not None and not self._dispatcher.is_over():
            self.progress.add(end - start)
        outcomes: list[_Outcome]
        if not ok:
            self.open_items -= end - start - 1  # one error stands for the whole task
            outcomes = [(False, value)]
        elif self._chunked:
            outcomes = [(True, item) for item in value]
        else:
            outcomes = [(True, value)]
        self._put(start, end, outcomes)
        if self._fed and not self._places:
            self._owner = None

    def _put(self, start: int, end: int, outcomes: list[_Outcome]) -> None:
        self.shelf.extend(outcomes)

    def _has_news(self) -> bool:
        return bool(self.shelf) or self._is_over()

    def _is_over(self) -> bool:
        return self._fed and not self._places and not self.shelf

    def describe(self, number: int) -> str:
        """See `Job`."""
        return f"{in_words(*self._places[number])} of an imap of {self.name}"

    def over(self) -> Callable[[], object] | None:
        """See `Job`."""
        feed = self.feed
        more = feed.more if self._finishing and feed is not None else None
        if self.progress is None:
            return more
        return both(more, self.progress.news(self._fed and not self._places))


class Ordered(Unordered):
    """The job of an imap. Args: as `Unordered`."""

    def __init__(self, dispatcher: Dispatcher, name: str, chunked: bool):
        super().__init__(dispatcher, name, chunked)
        self._early: dict[int, tuple[int, list[_Outcome]]] = {}
        self._next_index = 0

    def _put(self, start: int, end: int, outcomes: list[_Outcome]) -> None:
        if start != self._next_index:
            self._early[start] = (end, outcomes)
            return
        self.shelf.extend(outcomes)
        self._next_index = end
        while self._next_index in self._early:
            self._next_index, outcomes = self._early.pop(self._next_index)
            self.shelf.extend(outcomes)


class IMapUnorderedIterator:
    """The results of an imap_unordered, in the order in which they come.

    Args:
        job: is given the results.
    """

    def __init__(self, job: Unordered):
        self._job = job

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self.next()

    def next(self, timeout: float | None = None) -> Any:
        """Return the next result, waiting for it at most *timeout* seconds.

        Raises:
            StopIteration: there are no more.
            TimeoutError: none came in time.
            BaseException: what the call raised, with the remote traceback as its cause.
        """
        job = self._job
        if not job.asked:
            job.ask()
        if not job.shelf:
            job.wait(timeout)
        ok, value = job.shelf.popleft()
        job.open_items -= 1
        if job.feed is not None:
            job.feed.more()
        if ok:
            return value
        raise value

    def cancel(self, *, begun: bool = True) -> bool:
        """Draw no more items, and cancel those whose results are not there; whether any were.

        What waits never runs, what runs is ended with its worker, unless *begun* is False; no
        results follow those that are there already.
        """
        return self._job.cancel(begun)

    def give_up(self, error: BaseException) -> None:
        """Draw no more items; *error* is raised behind the results of those that were drawn."""
        self._job.give_up(error)

    def __del__(self) -> None:
        self._job.forget()


class IMapIterator(IMapUnorderedIterator):
    """The results of an imap, in the order of the input. Args: as `IMapUnorderedIterator`."""
