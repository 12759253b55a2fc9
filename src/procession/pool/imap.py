"""The results of an imap, one by one.

Idea: the iterator is a job with a shelf. What becomes of its tasks is put on the shelf, at once or
in the order of the input; ``next`` takes from it, and lets the feed (see `feed`) send more.

Invariant: `open_items` counts the items that were drawn from the input and whose results the caller
has not taken; the feed keeps it below its bound.

Layer: pool.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from .. import _errors
from .._deadline import Deadline

if TYPE_CHECKING:
    from collections.abc import Callable

    from .dispatcher import Dispatcher

_Outcome = tuple[bool, Any]


class Feeding(Protocol):
    """What the iterator needs of its feed."""

    def more(self) -> None:
        """There may be room for more items."""

    def stop(self) -> None:
        """No more items are wanted."""


class IMapUnorderedIterator:
    """The results of an imap_unordered, in the order in which they come.

    Args:
        dispatcher: who receives.
        name: of the function, for messages.
        chunked: whether a task is a list of items, and its value a list of results.
    """

    def __init__(self, dispatcher: Dispatcher, name: str, chunked: bool):
        self._dispatcher = dispatcher
        self._name = name
        self._chunked = chunked
        self._shelf: deque[_Outcome] = deque()
        self._places: dict[int, tuple[int, int]] = {}
        self._feed: Feeding | None = None
        self._fed = False  # the input has ended
        self.open_items = 0
        self.was_cancelled = False
        self._owner: Any = None  # the pool, which must live until the job is done

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
        if not self._shelf:
            self._wait(timeout)
        ok, value = self._shelf.popleft()
        self.open_items -= 1
        if self._feed is not None:
            self._feed.more()
        if ok:
            return value
        raise value

    def cancel(self, *, begun: bool = True) -> bool:
        """Draw no more items, and cancel those whose results are not there; whether any were.

        What waits never runs, what runs is ended with its worker, unless *begun* is False; no
        results follow those that are there already.
        """
        from concurrent.futures import CancelledError  # not cheap, and only for this

        if self._feed is not None:
            self._feed.stop()
        with self._dispatcher.lock:
            self._feed = None
            self._fed = self.was_cancelled = True
            self._owner = None
            has_begun = self._dispatcher.has_begun
            numbers = [n for n in self._places if begun or not has_begun(n)]
        return self._dispatcher.cancel(self, numbers, CancelledError(f"{self._name}: cancelled"))

    def _wait(self, timeout: float | None) -> None:
        if self._feed is not None:
            self._feed.more()
        if not self._has_news():
            self._dispatcher.wait_until(self._has_news, Deadline(timeout))
        if self._shelf:
            return
        if self._is_over():
            raise StopIteration
        raise _errors.TimeoutError(f"no result of {self._name} within {timeout} s")

    def __del__(self) -> None:
        if self._feed is not None:
            self._feed.stop()

    # ---------------------------------------------------- for the feed; the dispatcher is locked

    def fed_by(self, feed: Feeding) -> None:
        """More items come from *feed*."""
        self._feed = feed

    def place(self, first: int, pieces: list[tuple[int, int]]) -> None:
        """Task *first* is the first of *pieces* (start, end), the next number the second, ..."""
        self._places.update(zip(range(first, first + len(pieces)), pieces, strict=True))
        self.open_items += pieces[-1][1] - pieces[0][0]

    def withdraw(self, number: int, error: BaseException) -> None:
        """Task *number* was cancelled: no result comes."""
        start, end = self._places.pop(number)
        self.open_items -= end - start

    def renumber(self, old: int, new: int) -> None:
        """See `Job`."""
        self._places[new] = self._places.pop(old)

    def end_of_input(self, index: int, error: BaseException | None) -> None:
        """The input has ended before item *index*, by *error* if there was one."""
        self._feed = None
        if error is not None:
            self.open_items += 1
            self._put(index, index + 1, [(False, error)])
        self._fed = True

    # ---------------------------------------------------- for the dispatcher, which is locked

    def take(self, number: int, ok: bool, value: Any) -> None:
        """See `Job`."""
        start, end = self._places.pop(number)
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
        self._shelf.extend(outcomes)

    def _has_news(self) -> bool:
        return bool(self._shelf) or self._is_over()

    def _is_over(self) -> bool:
        return self._fed and not self._places and not self._shelf

    def describe(self, number: int) -> str:
        """See `Job`."""
        start, end = self._places[number]
        items = f"item {start}" if end == start + 1 else f"items {start} to {end - 1}"
        return f"{items} of an imap of {self._name}"

    def over(self) -> Callable[[], object] | None:
        """See `Job`."""
        return None


class IMapIterator(IMapUnorderedIterator):
    """The results of an imap, in the order of the input. Args: as `IMapUnorderedIterator`."""

    def __init__(self, dispatcher: Dispatcher, name: str, chunked: bool):
        super().__init__(dispatcher, name, chunked)
        self._early: dict[int, tuple[int, list[_Outcome]]] = {}
        self._next_index = 0

    def _put(self, start: int, end: int, outcomes: list[_Outcome]) -> None:
        if start != self._next_index:
            self._early[start] = (end, outcomes)
            return
        self._shelf.extend(outcomes)
        self._next_index = end
        while self._next_index in self._early:
            self._next_index, outcomes = self._early.pop(self._next_index)
            self._shelf.extend(outcomes)
