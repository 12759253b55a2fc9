"""The calls of a pool: one call, a map, an imap.

Idea: each makes a job, and gives its tasks to the dispatcher. Whether the workers are processes or
threads is not known here. These options are the same for all:

    retries: how many times a task runs again whose worker was lost.
    timeout: seconds that each call of the function may take, counted from its start in the worker,
        which is ended and replaced if it takes longer; the call raises ``TimeoutError``.
    progress: True: a bar, drawn by tqdm or rich, whichever is installed; a callable: it is called
        with (items done, items in all, or None) by whichever thread receives results.

Invariant: a job holds the pool and its shared function while it has open tasks.

Layer: pool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Any, TypeVar, cast

from . import _chunking, _time_limit
from ._adaptive_map import AdaptiveMapResult
from ._dispatcher import Dispatcher
from ._imap import IMapIterator, ImapJob, IMapUnorderedIterator, ImapUnorderedJob
from ._options import CallOptions, check_callable, check_retries, checked_size
from ._prefetch import SMALLEST_BOUND, InlinePrefetch, ThreadPrefetch, is_there_already
from ._progress import ProgressOption, make_progress
from ._results import ApplyResult, Callback, MapResult

_Job = TypeVar("_Job", bound=ImapUnorderedJob)


class PoolCalls:
    """The methods of a pool that run functions. The pool sets the attributes."""

    _dispatcher: Dispatcher
    _functions: Any
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
        check_callable(callback, "callback")
        check_callable(error_callback, "error_callback")
        task = (tuple(args), dict(kwds) if kwds else {})
        with self._dispatcher.lock:
            function = self._functions.get(func, "apply", timeout)
            job = ApplyResult(self._dispatcher, function.name, callback, error_callback)
            job._owner = (self, function)
            self._dispatcher.send_one(job, function, task, retries)
        if callback or error_callback:
            self._dispatcher.start_receiver()
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
        progress: ProgressOption = False,
    ) -> list[Any]:
        """Call *func* for each item; the results, in order. Raises: as `apply`."""
        return self._map(
            func, iterable, "chunk", chunksize, CallOptions(retries, timeout, progress)
        )

    def starmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        retries: int = 0,
        timeout: float | None = None,
        progress: ProgressOption = False,
    ) -> list[Any]:
        """Like `map`, but each item is a tuple of arguments."""
        options = CallOptions(retries, timeout, progress)
        return self._map(func, iterable, "star_chunk", chunksize, options)

    def _map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        mode: str,
        chunksize: int | None,
        options: CallOptions,
    ) -> list[Any]:
        chunksize = _time_limit.limit_chunksize(chunksize, options.timeout)
        if chunksize is not None:
            whole = self._map_async(func, iterable, mode, chunksize, None, None, options)
            results: list[Any] = whole.get()
            return results
        self._check_running()
        items = _sliceable(iterable)
        with self._dispatcher.lock:
            function = self._functions.get(func, f"timed_{mode}")
            job = AdaptiveMapResult(
                self._dispatcher, function, items, self._processes, options.retries
            )
            self._prepare(job, function, len(items), options)
            job.start()
        return job.get_or_give_up()

    def _prepare(
        self,
        job: MapResult | ImapUnorderedJob,
        function: Any,
        total: int | None,
        options: CallOptions,
    ) -> None:
        """Give *job* what it needs before its first task is sent."""
        job._owner = (self, function)
        if total != 0:
            job.progress = make_progress(options.progress, total, function.name)

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
        progress: ProgressOption = False,
    ) -> MapResult:
        """Like `map`; the results are to come."""
        options = CallOptions(retries, timeout, progress)
        return self._map_async(
            func, iterable, "chunk", chunksize, callback, error_callback, options
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
        progress: ProgressOption = False,
    ) -> MapResult:
        """Like `starmap`; the results are to come."""
        options = CallOptions(retries, timeout, progress)
        return self._map_async(
            func, iterable, "star_chunk", chunksize, callback, error_callback, options
        )

    def _map_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        mode: str,
        chunksize: int | None,
        callback: Callback | None,
        error_callback: Callback | None,
        options: CallOptions,
    ) -> MapResult:
        self._check_running()
        check_callable(callback, "callback")
        check_callable(error_callback, "error_callback")
        if chunksize is not None:
            chunksize = checked_size(chunksize, "chunksize")
        items = _sliceable(iterable)
        chunksize = _time_limit.limit_chunksize(chunksize, options.timeout)
        ranges = list(_chunking.cut(len(items), self._processes, chunksize))
        tasks = [items[start:end] for start, end in ranges]
        with self._dispatcher.lock:
            function = self._functions.get(func, mode, options.timeout)
            job = MapResult(self._dispatcher, function.name, len(items), callback, error_callback)
            self._prepare(job, function, len(items), options)
            self._dispatcher.send(job, function, tasks, ranges, options.retries)
        if callback or error_callback or options.progress:
            self._dispatcher.start_receiver()
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
        progress: ProgressOption = False,
    ) -> IMapIterator:
        """Call *func* for each item; an iterator of the results, in order.

        Args:
            chunksize: items in a task, 1 or more.
            buffersize: how many items are drawn from *iterable* before the caller has taken their
                results; None: enough to keep the workers busy.
        """
        options = CallOptions(retries, timeout, progress)
        return IMapIterator(self._imap(ImapJob, func, iterable, chunksize, buffersize, options))

    def imap_unordered(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        *,
        buffersize: int | None = None,
        retries: int = 0,
        timeout: float | None = None,
        progress: ProgressOption = False,
    ) -> IMapUnorderedIterator:
        """Like `imap`, but the results come in the order in which they are ready."""
        options = CallOptions(retries, timeout, progress)
        job = self._imap(ImapUnorderedJob, func, iterable, chunksize, buffersize, options)
        return IMapUnorderedIterator(job)

    def _imap(
        self,
        kind: type[_Job],
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int,
        buffersize: int | None,
        options: CallOptions,
    ) -> _Job:
        self._check_running()
        chunksize = checked_size(chunksize, "chunksize")
        if buffersize is not None:
            buffersize = checked_size(buffersize, "buffersize")
        chunked = chunksize > 1
        with self._dispatcher.lock:
            function = self._functions.get(func, "chunk" if chunked else "each", options.timeout)
        bound = buffersize or max(SMALLEST_BOUND, self._processes * chunksize * 4)
        make = InlinePrefetch if is_there_already(iterable) else ThreadPrefetch
        args = (self._dispatcher, function, iterable, chunksize, chunked, bound, options.retries)
        prefetch = make(*args)  # it raises if the input cannot be iterated over
        job = kind(self._dispatcher, function.name, chunked)
        total = len(iterable) if isinstance(iterable, Sized) else None
        self._prepare(job, function, total, options)
        prefetch.start(job)
        return job


def _sliceable(iterable: Iterable[Any]) -> Sequence[Any]:
    """Return *iterable*, or a list of its items. A slice of a range is a range: quickly sent."""
    if isinstance(iterable, list) or type(iterable) in (tuple, range):
        return cast("Sequence[Any]", iterable)
    return list(iterable)
