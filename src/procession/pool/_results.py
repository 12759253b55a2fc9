"""What callers wait for: the result of a call, or of a map; for an imap see `imap`.

Idea: a job knows its open tasks by their numbers and takes what becomes of each, in any order. Its
pool calls `take` for each with the dispatcher's lock held; the caller waits through the pool, which
receives for everybody meanwhile.

Invariant: `take` is called once for each task. When the last is in (or the first failure of a map)
the job is done, and stays as it is.

Layer: pool.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from types import GenericAlias
from typing import TYPE_CHECKING, Any

from .._base import errors
from .._base.deadline import Deadline
from ._chunking import in_words
from ._progress import Progress, both

if TYPE_CHECKING:
    from asyncio import Future

    from ._dispatcher import Dispatcher

Callback = Callable[[Any], object]


class ApplyResult:
    """The result of one call that is under way.

    Args:
        dispatcher: who receives.
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
        self._loops: list[Callable[[], object]] = []
        self._cancelled = False
        self.number = -1

    # ------------------------------------------------------------------------------ for the caller

    def ready(self) -> bool:
        """Whether the call has ended."""
        if not self._done:
            self._dispatcher.receive_what_is_there()
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
        if not self._done:
            self._dispatcher.wait_until(self._is_done, Deadline(timeout))

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
            yield from self._told_to_the_loop().__await__()
        return self.get(0)

    def _told_to_the_loop(self) -> Future[None]:
        """A future of the running loop that is done when this is."""
        from asyncio import get_running_loop  # not cheap; whoever awaits has it

        loop = get_running_loop()
        future: Future[None] = loop.create_future()

        def tell() -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(_wake, future)

        self._dispatcher.receive_from_now_on()
        with self._dispatcher.lock:
            if self._done:
                future.set_result(None)
            else:
                self._loops.append(tell)
        return future

    # --------------------------------------------------------------------------- for the dispatcher

    def _is_done(self) -> bool:
        return self._done

    def take(self, number: int, ok: bool, value: Any) -> None:
        """See `Job`."""
        self._finish(ok, value)

    def withdraw(self, number: int, error: BaseException) -> None:
        """Task *number* was cancelled, and has *error* for a result."""
        self._cancelled = True
        self.take(number, False, error)

    def renumber(self, old: int, new: int) -> None:
        """See `Job`."""
        self.number = new

    def describe(self, number: int) -> str:
        """See `Job`."""
        return f"a call of {self.name}"

    def over(self) -> Callable[[], object] | None:
        """See `Job`."""
        if not self._done:
            return None
        callback = self._callback if self._success else self._error_callback
        self._callback = self._error_callback = None
        loops, self._loops = self._loops, []
        if not loops and callback is None:
            return None
        return functools.partial(_tell, loops, callback, self._value)

    def _finish(self, ok: bool, value: Any) -> None:
        self._success, self._value = ok, value
        self._done = True
        self._owner = None

    __class_getitem__: Any = classmethod(GenericAlias)


AsyncResult = ApplyResult


def _wake(future: Future[None]) -> None:
    if not future.done():  # whoever waited may have been cancelled
        future.set_result(None)


def _tell(loops: list[Callable[[], object]], callback: Callback | None, value: Any) -> None:
    """The end of a job: to the event loops that wait for it, then to whom the caller named."""
    for tell in loops:
        tell()
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
        self._places: dict[int, tuple[int, int]] = {}
        self._failure: BaseException | None = None
        self._left = length
        self.progress: Progress | None = None
        if length == 0:
            self._finish(True, [])

    def place(self, first: int, pieces: list[tuple[int, int]]) -> None:
        """Task *first* is the first of *pieces* (start, end), the next number the second, ..."""
        self._places.update(zip(range(first, first + len(pieces)), pieces, strict=True))

    def withdraw(self, number: int, error: BaseException) -> None:
        """See `ApplyResult`. An item that failed before does not count any more."""
        if not self._cancelled:
            self._failure = error
        super().withdraw(number, error)

    def renumber(self, old: int, new: int) -> None:
        """See `Job`."""
        self._places[new] = self._places.pop(old)

    def take(self, number: int, ok: bool, value: Any) -> None:
        """See `Job`.

        Done with the last task only, also after a failure: no callback runs while tasks still do.
        """
        start, end = self._places.pop(number)
        if self.progress is not None and not (self._cancelled or self._dispatcher.is_over()):
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

    def over(self) -> Callable[[], object] | None:
        """See `Job`."""
        if self.progress is None:
            return super().over()
        return both(self._news(), super().over())

    def _news(self) -> Callable[[], object] | None:
        return self.progress.news(self._done) if self.progress is not None else None

    def _open_numbers(self) -> list[int]:
        return list(self._places)

    def describe(self, number: int) -> str:
        """See `Job`."""
        return f"{in_words(*self._places[number])} of a map of {self.name}"
