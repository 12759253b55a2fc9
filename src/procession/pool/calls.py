"""The calls of a pool: one call, a map, an imap.

Idea: each makes a job, and hands its tasks to the dispatcher. Whether the workers are processes or
threads is not known here. What was agreed beyond the call itself is the same for all:

    retries: how many times a task runs again whose worker was lost.
    timeout: seconds that each call of the function may take, counted from its start in the worker,
        which is ended and replaced if it takes longer; the call raises ``TimeoutError``.

Invariant: a job holds the pool and its program while it has open tasks.

Layer: pool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from . import chunks
from .dispatcher import Dispatcher
from .fed import FedMapResult
from .feed import SMALLEST_BOUND, InlineFeed, ThreadFeed, is_there_already
from .imap import IMapIterator, IMapUnorderedIterator
from .jobs import ApplyResult, Callback, MapResult
from .options import check_retries

_Iterator = TypeVar("_Iterator", bound=IMapUnorderedIterator)


class Calls:
    """What a pool offers to run functions. The pool sets the attributes."""

    _dispatcher: Dispatcher
    _programs: Any
    _processes: int

    def _check_running(self) -> None:
        raise NotImplementedError

    # -------------------------------------------------------------------------------- one call

    def apply(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        *,
        retries: int = 0,
        timeout: float | None = None,
    ) -> Any:
        """Call *func* in a worker and return its result.

        Raises: what the call raises, with the remote traceback as cause; `WorkerLostError`;
            `TimeoutError` when it took longer than *timeout*.
        """
        return self.apply_async(func, args, kwds, retries=retries, timeout=timeout).get()

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
        *,
        retries: int = 0,
        timeout: float | None = None,
    ) -> ApplyResult:
        """Call *func* in a worker; the result is to come.

        Raises:
            ValueError: the pool is not running.
            pickle.PicklingError, TypeError, AttributeError: something cannot be sent.
        """
        self._check_running()
        check_retries(retries)
        task = (tuple(args), dict(kwds) if kwds else {})
        with self._dispatcher.lock:
            program = self._programs.get(func, "apply", timeout)
            job = ApplyResult(self._dispatcher, program.name, callback, error_callback)
            job._owner = (self, program)
            self._dispatcher.send_one(job, program, task, retries)
        if callback or error_callback:
            self._dispatcher.receive_from_now_on()
        return job

    # -------------------------------------------------------------------------------- a map

    def map(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        *,
        retries: int = 0,
        timeout: float | None = None,
    ) -> list[Any]:
        """Call *func* for each item; the results, in order. Raises: as `apply`."""
        return self._map(func, iterable, "chunk", chunksize, retries, timeout)

    def starmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        retries: int = 0,
        timeout: float | None = None,
    ) -> list[Any]:
        """Like `map`, but each item is a tuple of arguments."""
        return self._map(func, iterable, "star_chunk", chunksize, retries, timeout)

    def _map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        mode: str,
        chunksize: int | None,
        retries: int,
        timeout: float | None,
    ) -> list[Any]:
        if chunksize is not None or timeout is not None:
            whole = self._map_async(func, iterable, mode, chunksize, None, None, retries, timeout)
            results: list[Any] = whole.get()
            return results
        self._check_running()
        check_retries(retries)
        items = _sliceable(iterable)
        with self._dispatcher.lock:
            program = self._programs.get(func, f"timed_{mode}")
            job = FedMapResult(self._dispatcher, program, items, self._processes, retries)
            job._owner = (self, program)
            job.start()
        return job.get_or_give_up()

    def map_async(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
        *,
        retries: int = 0,
        timeout: float | None = None,
    ) -> MapResult:
        """Like `map`; the results are to come."""
        return self._map_async(
            func, iterable, "chunk", chunksize, callback, error_callback, retries, timeout
        )

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
        *,
        retries: int = 0,
        timeout: float | None = None,
    ) -> MapResult:
        """Like `starmap`; the results are to come."""
        return self._map_async(
            func, iterable, "star_chunk", chunksize, callback, error_callback, retries, timeout
        )

    def _map_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        mode: str,
        chunksize: int | None,
        callback: Callback | None,
        error_callback: Callback | None,
        retries: int,
        timeout: float | None,
    ) -> MapResult:
        self._check_running()
        check_retries(retries)
        items = _sliceable(iterable)
        if chunksize is None and timeout is not None:
            chunksize = 1  # one that takes too long costs its neighbours nothing
        pieces = list(chunks.cut(len(items), self._processes, chunksize))
        tasks = [items[start:end] for start, end in pieces]
        with self._dispatcher.lock:
            program = self._programs.get(func, mode, timeout)
            job = MapResult(self._dispatcher, program.name, len(items), callback, error_callback)
            job._owner = (self, program)
            self._dispatcher.send(job, program, tasks, pieces, retries)
        if callback or error_callback:
            self._dispatcher.receive_from_now_on()
        return job

    # -------------------------------------------------------------------------------- an imap

    def imap(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        *,
        buffersize: int | None = None,
        retries: int = 0,
        timeout: float | None = None,
    ) -> IMapIterator:
        """Call *func* for each item; an iterator of the results, in order.

        Args:
            chunksize: items in a task, 1 or more.
            buffersize: how many items are drawn from *iterable* before the caller has taken their
                results; None: enough to keep the workers busy.
        """
        return self._imap(IMapIterator, func, iterable, chunksize, buffersize, retries, timeout)

    def imap_unordered(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        *,
        buffersize: int | None = None,
        retries: int = 0,
        timeout: float | None = None,
    ) -> IMapUnorderedIterator:
        """Like `imap`, but the results come in the order in which they are ready."""
        return self._imap(
            IMapUnorderedIterator, func, iterable, chunksize, buffersize, retries, timeout
        )

    def _imap(
        self,
        kind: type[_Iterator],
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int,
        buffersize: int | None,
        retries: int,
        timeout: float | None,
    ) -> _Iterator:
        self._check_running()
        check_retries(retries)
        if chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize}")
        if buffersize is not None and buffersize < 1:
            raise ValueError(f"buffersize must be 1 or more, not {buffersize}")
        chunked = chunksize > 1
        with self._dispatcher.lock:
            program = self._programs.get(func, "chunk" if chunked else "each", timeout)
        job = kind(self._dispatcher, program.name, chunked)
        job._owner = (self, program)
        bound = buffersize or max(SMALLEST_BOUND, self._processes * chunksize * 4)
        feed = InlineFeed if is_there_already(iterable) else ThreadFeed
        feed(self._dispatcher, program, iterable, chunksize, chunked, bound, retries).start(job)
        return job


def _sliceable(iterable: Iterable[Any]) -> Sequence[Any]:
    """*iterable*, or a list of what it gives. A piece of a range is a range: quickly sent."""
    if isinstance(iterable, list) or type(iterable) in (tuple, range):
        return cast("Sequence[Any]", iterable)
    return list(iterable)
