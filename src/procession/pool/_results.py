"""What callers wait for: the result of a call, or of a map. For an imap see `_imap`.

Idea: a job knows its open tasks by their numbers and is given the outcome of each, in any order.
The dispatcher calls `set_outcome` for each with its lock held; the caller waits through the
dispatcher, and meanwhile receives results for all jobs.

Invariant: `set_outcome` or `set_cancelled` is called once for each task. With the last one the job
is done, and does not change any more.

Layer: pool.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from .._base import errors
from .._base.deadline import Deadline
from ._chunking import describe_items
from ._progress import Progress, both

if TYPE_CHECKING:
    from asyncio import Future

    from ._dispatcher import Dispatcher

Callback = Callable[[Any], object]


class ApplyResult:
    """The result of one call that is under way.

    Args:
        dispatcher: receives the results.
        name: of the function, for messages.
        callback: called with the result in the parent.
        error_callback: called with the exception in the parent.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        name: str,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ):
        self._dispatcher = dispatcher
        self.name = name
        self._callback = callback
        self._error_callback = error_callback
        self._done = False
        self._success = False
        self._value: Any = None
        self._owner: Any = None  # the pool, which must live until the job is done
        self._wakers: list[Callable[[], object]] = []  # of event loops that wait for this
        self._cancelled = False
        self.number = -1

    # ------------------------------------------------------------------------------ for the caller

    def ready(self) -> bool:
        """Whether the call has ended."""
        if not self._done:
            self._dispatcher.receive_available()
        return self._done

    def successful(self) -> bool:
        """Whether the call has ended without an exception.

        Raises:
            ValueError: it has not ended yet.
        """
        if not self.ready():
            raise ValueError(f"{self!r} not ready")
        return self._success

    def wait(self, timeout: float | None = None) -> None:
        """Wait until the call has ended, at most *timeout* seconds."""
        deadline = Deadline(timeout)  # a wrong one is an error, waiting or not
        if not self._done:
            self._dispatcher.wait_until(self._is_done, deadline)

    def get(self, timeout: float | None = None) -> Any:
        """Return the result, waiting for it at most *timeout* seconds.

        Raises:
            TimeoutError: it was not there in time.
            BaseException: what the call raised, with the remote traceback as its cause.
        """
        self.wait(timeout)
        if not self._done:
            raise errors.TimeoutError(f"no result of {self.name} within {timeout} s")
        if self._success:
            return self._value
        raise self._value

    def cancel(self, *, begun: bool = True) -> bool:
        """End the call: what waits never runs, what runs is ended with its worker.

        Args:
            begun: False leaves alone what a worker has begun.
        Returns:
            False if it had ended before; for threads also if it runs, as a thread cannot be ended.
            True: ``get`` raises ``concurrent.futures.CancelledError`` from now on, at once.
        """
        if self.ready():
            return False
        if not begun and self.begun():
            return False
        from concurrent.futures import CancelledError  # not cheap, and only for this

        error = CancelledError(f"a call of {self.name} was cancelled")
        with self._dispatcher.lock:
            numbers = self._open_numbers()
        return self._dispatcher.cancel(self, numbers, error)

    def begun(self) -> bool:
        """Whether a worker has taken the call, or a part of it, up to now."""
        with self._dispatcher.lock:
            return self._done or any(map(self._dispatcher.has_begun, self._open_numbers()))

    def cancelled(self) -> bool:
        """Whether ``cancel`` has ended the call."""
        return self._cancelled and self._done

    def _open_numbers(self) -> list[int]:
        return [self.number]

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait on the running event loop; then as `get`. No thread waits for this result alone.

        A task that is cancelled while it waits so leaves the call alone.
        """
        if not self._done:
            yield from self._future_of_done().__await__()
        return self.get(0)

    def _future_of_done(self) -> Future[None]:
        """Return a future of the running loop that is done when this is."""
        from asyncio import get_running_loop  # not cheap; a program that awaits has it

        loop = get_running_loop()
        future: Future[None] = loop.create_future()

        def wake() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_set_done, future)

        self._dispatcher.start_receiver()
        with self._dispatcher.lock:
            if self._done:
                future.set_result(None)
            else:
                self._wakers.append(wake)
        return future

    # --------------------------------------------------------------------------- for the dispatcher

    def _is_done(self) -> bool:
        return self._done

    def set_outcome(self, number: int, ok: bool, value: Any) -> None:
        """Task *number* has returned *value*, or has ended with that exception."""
        self._finish(ok, value)

    def set_cancelled(self, number: int, error: BaseException) -> None:
        """Task *number* was cancelled; *error* is its outcome."""
        self._cancelled = True
        self.set_outcome(number, False, error)

    def resubmitted_as(self, old: int, new: int) -> None:
        """Task *old* was sent again; its number is *new* now."""
        self.number = new

    def describe(self, number: int) -> str:
        """Return what task *number* is, for messages."""
        return f"a call of {self.name}"

    def pop_callback(self) -> Callable[[], object] | None:
        """Return what is to be called if the job is done: event loops, the caller's callback."""
        if not self._done:
            return None
        callback = self._callback if self._success else self._error_callback
        self._callback = self._error_callback = None
        wakers, self._wakers = self._wakers, []
        if not wakers and callback is None:
            return None
        return functools.partial(_call_all, wakers, callback, self._value)

    def _finish(self, ok: bool, value: Any) -> None:
        self._success, self._value = ok, value
        self._done = True
        self._owner = None

    __class_getitem__: Any = classmethod(GenericAlias)


AsyncResult = ApplyResult


def _set_done(future: Future[None]) -> None:
    if not future.done():  # the task that waited may have been cancelled
        future.set_result(None)


def _call_all(wakers: list[Callable[[], object]], callback: Callback | None, value: Any) -> None:
    """Wake the event loops that wait for a job, then call the callback that its caller gave."""
    for wake in wakers:
        wake()
    if callback is not None:
        callback(value)


class MapResult(ApplyResult):
    """The results of a map that is under way: a list, or the first exception.

    Args: as `ApplyResult`, and
        length: how many items there are.
    """

    def __init__(
        self,
        dispatcher: Dispatcher,
        name: str,
        length: int,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ):
        super().__init__(dispatcher, name, callback, error_callback)
        self._results: list[Any] = [None] * length
        self._ranges: dict[int, tuple[int, int]] = {}  # the items of each open task, by its number
        self._failure: BaseException | None = None
        self._left = length
        self.progress: Progress | None = None
        if length == 0:
            self._finish(True, [])

    def add_tasks(self, first: int, ranges: list[tuple[int, int]]) -> None:
        """Task *first* is for the first of *ranges* (start, end), the next for the second, ..."""
        self._ranges.update(zip(range(first, first + len(ranges)), ranges, strict=True))

    def set_cancelled(self, number: int, error: BaseException) -> None:
        """As `ApplyResult`; the error replaces that of an item which failed before."""
        if not self._cancelled:
            self._failure = error
        super().set_cancelled(number, error)

    def resubmitted_as(self, old: int, new: int) -> None:
        """Task *old* was sent again; its number is *new* now."""
        self._ranges[new] = self._ranges.pop(old)

    def set_outcome(self, number: int, ok: bool, value: Any) -> None:
        """Keep the results of task *number*, or its exception.

        The job is done with the last task, also after a failure: no callback runs while tasks do.
        """
        start, end = self._ranges.pop(number)
        if self.progress is not None and not (self._cancelled or self._dispatcher.has_failed()):
            self.progress.add(end - start)
        if ok:
            self._results[start:end] = value
            self._count(end - start)
        else:
            self._fail(end - start, value)

    def _fail(self, items: int, error: BaseException) -> None:
        """So many items have ended with *error*."""
        if self._failure is None:
            self._failure = error
        self._count(items)

    def _count(self, items: int) -> None:
        self._left -= items
        if self._left == 0:
            if self._failure is None:
                self._finish(True, self._results)
            else:
                self._finish(False, self._failure)

    def pop_callback(self) -> Callable[[], object] | None:
        """Return what reports the progress, and then see `ApplyResult`."""
        if self.progress is None:
            return super().pop_callback()
        return both(self._pop_progress(), super().pop_callback())

    def _pop_progress(self) -> Callable[[], object] | None:
        return self.progress.pop_callback(self._done) if self.progress is not None else None

    def _open_numbers(self) -> list[int]:
        return list(self._ranges)

    def describe(self, number: int) -> str:
        """Return what task *number* is, for messages."""
        return f"{describe_items(*self._ranges[number])} of a map of {self.name}"
