"""The results of an imap, one by one.

Idea: the job collects the outcomes of its tasks, in the order in which they come or in that of the
input; the caller's iterator takes them from it, and lets the prefetch send more items (see
`_prefetch`). Job and iterator are two objects, so that it shows when the caller has forgotten the
iterator while tasks are under way. Whether more items are drawn is the state of `_imap_input`.

Invariant: `open_items` counts the items that were drawn from the input and whose results the caller
has not taken; the prefetch keeps it below its bound.

Layer: pool.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from .._base import errors
from .._base.deadline import Deadline, seconds_of
from ._chunking import describe_items
from ._imap_input import DRAINING, INPUT_DONE, UNREAD, ImapInput
from ._progress import Progress, both

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._dispatcher import Dispatcher

_Outcome = tuple[bool, Any]


class ImapUnorderedJob(ImapInput):
    """The job of an imap_unordered.

    Args:
        dispatcher: receives the results.
        name: of the function, for messages.
        chunked: whether a task is a list of items, and its value a list of results.

    Attributes:
        ready: the outcomes that the iterator may take now, in its order.
    """

    def __init__(self, dispatcher: Dispatcher, name: str, chunked: bool):
        super().__init__(dispatcher)
        self.name = name
        self._chunked = chunked
        self.ready: deque[_Outcome] = deque()
        self._ranges: dict[int, tuple[int, int]] = {}  # the items of each open task, by its number
        self._length = 0  # of the input, as far as it was sent
        self.open_items = 0
        self.progress: Progress | None = None
        self._owner: Any = None  # the pool, which must live until the job is done

    # --------------------------------------------------------------------------- for the iterator

    def wait(self, timeout: float | None) -> None:
        """Wait until an outcome is ready. Raises: as `IMapUnorderedIterator.next`."""
        prefetch = self.prefetch
        if prefetch is not None:
            prefetch.more()
        if not self._may_return():
            self._dispatcher.wait_until(self._may_return, Deadline(timeout))
        if self.ready:
            return
        if self._is_exhausted():
            raise StopIteration
        raise errors.TimeoutError(f"no result of {self.name} within {timeout} s")

    def cancel(self, begun: bool) -> bool:
        """Draw no more items, and cancel the tasks that were sent; see `IMapUnorderedIterator`."""
        from concurrent.futures import CancelledError  # not cheap, and only for this

        with self._dispatcher.lock:
            self.finish_input(None)
            self._owner = None
            has_begun = self._dispatcher.has_begun
            numbers = [n for n in self._ranges if begun or not has_begun(n)]
        error = CancelledError(f"{self.name}: cancelled")
        were_some = self._dispatcher.cancel(self, numbers, error)
        self._dispatcher.run_callback(self)
        return were_some

    def __del__(self) -> None:
        self.job_gone()
        if self.progress is not None:
            self.progress.close()

    # --------------------------------------------------- for the prefetch; the dispatcher is locked

    def finish_input(self, error: BaseException | None) -> None:
        """Draw no more items; *error* comes after the results, if there is one."""
        self.end_input()
        if error is not None:
            self.open_items += 1
            self._put(self._length, self._length + 1, [(False, error)])
        if not self._ranges:
            self._owner = None

    def give_up(self, error: BaseException) -> None:
        """Draw no more items, if there may be some; *error* comes after the results."""
        with self._dispatcher.lock:
            if self.state is not INPUT_DONE:
                self.finish_input(error)

    @property
    def tasks_under_way(self) -> int:
        """How many tasks have not ended."""
        return len(self._ranges)

    # ------------------------------------------------- for the dispatcher, which is locked

    def add_tasks(self, first: int, ranges: list[tuple[int, int]]) -> None:
        """Task *first* is for the first of *ranges* (start, end), the next for the second, ..."""
        self._ranges.update(zip(range(first, first + len(ranges)), ranges, strict=True))
        self.open_items += ranges[-1][1] - ranges[0][0]
        self._length = ranges[-1][1]

    def set_cancelled(self, number: int, error: BaseException) -> None:
        """Task *number* was cancelled: it has no outcome for the caller."""
        start, end = self._ranges.pop(number)
        self.open_items -= end - start

    def resubmitted_as(self, old: int, new: int) -> None:
        """Task *old* was sent again; its number is *new* now."""
        self._ranges[new] = self._ranges.pop(old)

    def set_outcome(self, number: int, ok: bool, value: Any) -> None:
        """Keep the results of task *number*, or its exception, for the iterator."""
        start, end = self._ranges.pop(number)
        if self.progress is not None and not self._dispatcher.has_failed():
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
        if self.state is INPUT_DONE and not self._ranges:
            self._owner = None

    def _put(self, start: int, end: int, outcomes: list[_Outcome]) -> None:
        self.ready.extend(outcomes)

    def _may_return(self) -> bool:
        return bool(self.ready) or self._is_exhausted()

    def _is_exhausted(self) -> bool:
        return self.state is INPUT_DONE and not self._ranges and not self.ready

    def describe(self, number: int) -> str:
        """Return what task *number* is, for messages."""
        return f"{describe_items(*self._ranges[number])} of an imap of {self.name}"

    def pop_callback(self) -> Callable[[], object] | None:
        """Return what draws more items for a pool that is joined, and reports the progress."""
        prefetch = self.prefetch
        more = prefetch.more if prefetch is not None and self.state is DRAINING else None
        if self.progress is None:
            return more
        complete = self.state is INPUT_DONE and not self._ranges
        return both(more, self.progress.pop_callback(complete))


class ImapJob(ImapUnorderedJob):
    """The job of an imap. Args: as `ImapUnorderedJob`."""

    def __init__(self, dispatcher: Dispatcher, name: str, chunked: bool):
        super().__init__(dispatcher, name, chunked)
        self._early: dict[int, tuple[int, list[_Outcome]]] = {}
        self._next_index = 0

    def _put(self, start: int, end: int, outcomes: list[_Outcome]) -> None:
        if start != self._next_index:
            self._early[start] = (end, outcomes)
            return
        self.ready.extend(outcomes)
        self._next_index = end
        while self._next_index in self._early:
            self._next_index, outcomes = self._early.pop(self._next_index)
            self.ready.extend(outcomes)


class IMapUnorderedIterator:
    """The results of an imap_unordered, in the order in which they come.

    Args:
        job: collects the results.
    """

    def __init__(self, job: ImapUnorderedJob):
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
        if timeout is not None:
            timeout = seconds_of(timeout)
        if job.state is UNREAD:
            job.first_read()
        if not job.ready:
            job.wait(timeout)
        ok, value = job.ready.popleft()
        job.open_items -= 1
        prefetch = job.prefetch
        if prefetch is not None:
            prefetch.more()
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
        self._job.reader_gone()


class IMapIterator(IMapUnorderedIterator):
    """The results of an imap, in the order of the input. Args: as `IMapUnorderedIterator`."""
