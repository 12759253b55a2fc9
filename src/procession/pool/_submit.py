"""The calls of a pool: one call, a map, an imap.

Idea: each makes a job, and hands its tasks to the dispatcher. Whether the workers are processes or
threads is not known here. What was agreed beyond the call itself is the same for all:

    retries: how many times a task runs again whose worker was lost.
    timeout: seconds that each call of the function may take, counted from its start in the worker,
        which is ended and replaced if it takes longer; the call raises ``TimeoutError``.
    progress: True: a bar, drawn by tqdm or rich, whichever is installed; a callable: it is called
        with (items done, items in all, or None) by whichever thread receives results.

Invariant: a job holds the pool and its program while it has open tasks.

Layer: pool.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence, Sized
from typing import Any, TypeVar, cast

from . import _chunking
from ._adaptive_map import FedMapResult
from ._call_options import Terms
from ._dispatcher import Dispatcher
from ._imap import IMapIterator, IMapUnorderedIterator, Ordered, Unordered
from ._options import check_callable, check_retries, checked_size
from ._prefetch import SMALLEST_BOUND, InlineFeed, ThreadFeed, is_there_already
from ._progress import Wish
from ._progress import of as progress_of
from ._results import ApplyResult, Callback, MapResult

_Job = TypeVar("_Job", bound=Unordered)


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
        check_callable(callback, "callback")
        check_callable(error_callback, "error_callback")
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
        progress: Wish = False,
    ) -> list[Any]:
        """Call *func* for each item; the results, in order. Raises: as `apply`."""
        return self._map(func, iterable, "chunk", chunksize, Terms(retries, timeout, progress))

    def starmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        *,
        retries: int = 0,
        timeout: float | None = None,
        progress: Wish = False,
    ) -> list[Any]:
        """Like `map`, but each item is a tuple of arguments."""
        terms = Terms(retries, timeout, progress)
        return self._map(func, iterable, "star_chunk", chunksize, terms)

    def _map(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        mode: str,
        chunksize: int | None,
        terms: Terms,
    ) -> list[Any]:
        if chunksize is not None or terms.timeout is not None:
            whole = self._map_async(func, iterable, mode, chunksize, None, None, terms)
            results: list[Any] = whole.get()
            return results
        self._check_running()
        items = _sliceable(iterable)
        with self._dispatcher.lock:
            program = self._programs.get(func, f"timed_{mode}")
            job = FedMapResult(self._dispatcher, program, items, self._processes, terms.retries)
            self._begin(job, program, len(items), terms)
            job.start()
        return job.get_or_give_up()

    def _begin(
        self, job: MapResult | Unordered, program: Any, total: int | None, terms: Terms
    ) -> None:
        """*job* is about to be sent."""
        job._owner = (self, program)
        if total != 0:
            job.progress = progress_of(terms.progress, total, program.name)

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
        progress: Wish = False,
    ) -> MapResult:
        """Like `map`; the results are to come."""
        terms = Terms(retries, timeout, progress)
        return self._map_async(func, iterable, "chunk", chunksize, callback, error_callback, terms)

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
        progress: Wish = False,
    ) -> MapResult:
        """Like `starmap`; the results are to come."""
        terms = Terms(retries, timeout, progress)
        return self._map_async(
            func, iterable, "star_chunk", chunksize, callback, error_callback, terms
        )

    def _map_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        mode: str,
        chunksize: int | None,
        callback: Callback | None,
        error_callback: Callback | None,
        terms: Terms,
    ) -> MapResult:
        self._check_running()
        check_callable(callback, "callback")
        check_callable(error_callback, "error_callback")
        if chunksize is not None:
            chunksize = checked_size(chunksize, "chunksize")
        items = _sliceable(iterable)
        if chunksize is None and terms.timeout is not None:
            chunksize = 1  # one that takes too long costs its neighbours nothing
        pieces = list(_chunking.cut(len(items), self._processes, chunksize))
        tasks = [items[start:end] for start, end in pieces]
        with self._dispatcher.lock:
            program = self._programs.get(func, mode, terms.timeout)
            job = MapResult(self._dispatcher, program.name, len(items), callback, error_callback)
            self._begin(job, program, len(items), terms)
            self._dispatcher.send(job, program, tasks, pieces, terms.retries)
        if callback or error_callback or terms.progress:
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
        progress: Wish = False,
    ) -> IMapIterator:
        """Call *func* for each item; an iterator of the results, in order.

        Args:
            chunksize: items in a task, 1 or more.
            buffersize: how many items are drawn from *iterable* before the caller has taken their
                results; None: enough to keep the workers busy.
        """
        terms = Terms(retries, timeout, progress)
        return IMapIterator(self._imap(Ordered, func, iterable, chunksize, buffersize, terms))

    def imap_unordered(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        *,
        buffersize: int | None = None,
        retries: int = 0,
        timeout: float | None = None,
        progress: Wish = False,
    ) -> IMapUnorderedIterator:
        """Like `imap`, but the results come in the order in which they are ready."""
        terms = Terms(retries, timeout, progress)
        job = self._imap(Unordered, func, iterable, chunksize, buffersize, terms)
        return IMapUnorderedIterator(job)

    def _imap(
        self,
        kind: type[_Job],
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int,
        buffersize: int | None,
        terms: Terms,
    ) -> _Job:
        self._check_running()
        chunksize = checked_size(chunksize, "chunksize")
        if buffersize is not None:
            buffersize = checked_size(buffersize, "buffersize")
        chunked = chunksize > 1
        with self._dispatcher.lock:
            program = self._programs.get(func, "chunk" if chunked else "each", terms.timeout)
        bound = buffersize or max(SMALLEST_BOUND, self._processes * chunksize * 4)
        make = InlineFeed if is_there_already(iterable) else ThreadFeed
        args = (self._dispatcher, program, iterable, chunksize, chunked, bound, terms.retries)
        feed = make(*args)  # it raises if the input cannot be iterated over
        job = kind(self._dispatcher, program.name, chunked)
        self._begin(job, program, len(iterable) if isinstance(iterable, Sized) else None, terms)
        feed.start(job)
        return job


def _sliceable(iterable: Iterable[Any]) -> Sequence[Any]:
    """*iterable*, or a list of what it gives. A piece of a range is a range: quickly sent."""
    if isinstance(iterable, list) or type(iterable) in (tuple, range):
        return cast("Sequence[Any]", iterable)
    return list(iterable)
