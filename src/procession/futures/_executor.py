"""The executor.

Idea: the pool is made with the first call and closed by ``shutdown``. An executor that the program
forgets to shut down is closed in the same way, and finishes its calls, at the latest when the
interpreter exits.

Invariant: after ``shutdown`` nothing is accepted, and each future comes to an end. When Ctrl-C ends
the ``with`` block or the program, no call is finished: the executor ends its workers, which ignore
Ctrl-C.

Layer: on top.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from .. import context, get_context, util
from .._base import cpu_quota
from .._base.deadline import Deadline
from .._base.errors import TimeoutError as PoolTimeoutError
from ..pool import IMapIterator, Pool
from ._errors import translated
from ._future import PoolFuture

_P = ParamSpec("_P")
_T = TypeVar("_T")

_EXIT_PRIORITY = 20  # before the pool ends itself


class ProcessPoolExecutor(Executor):
    """An executor of calls in worker processes.

    Args:
        max_workers: how many workers; None: as many as this process may use processors, by its
            affinity and the quotas of its control groups.
        mp_context: where the processes come from: a context of this package, or of the standard
            one, in whose place the one of the same start method is used; None: the default.
        initializer, initargs: called in each worker when it starts.
        max_tasks_per_child: a worker is replaced after so many calls; None: never.
        pool: other arguments of `procession.Pool`: seed=, max_memory_per_child=, ...
    """

    def __init__(
        self,
        max_workers: int | None = None,
        mp_context: Any = None,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        *,
        max_tasks_per_child: int | None = None,
        **pool: Any,
    ):
        if max_workers is not None and max_workers <= 0:
            raise ValueError("max_workers must be greater than 0")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        _check_tasks(max_tasks_per_child)
        self._mp_context = _own_context(mp_context)
        self._max_workers = max_workers or cpu_quota.share()
        self._make_pool = functools.partial(
            self._mp_context.Pool,
            self._max_workers,
            initializer,
            initargs,
            max_tasks_per_child,
            **pool,
        )
        self._pool: Pool | None = None
        self._lock = threading.Lock()
        self._shut_down = False
        self._futures: weakref.WeakSet[PoolFuture] = weakref.WeakSet()
        self._maps: weakref.WeakSet[IMapIterator] = weakref.WeakSet()
        self._buffered: weakref.WeakSet[IMapIterator] = weakref.WeakSet()

    def _running_pool(self) -> Pool:
        """Return the pool, made if need be. Locked by the caller."""
        if self._shut_down:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if self._pool is None:
            if util.is_exiting():
                raise RuntimeError("cannot schedule new futures after interpreter shutdown")
            self._pool = self._make_pool()
            self._finalizer = util.Finalize(
                self, _finish, (self._pool, self._buffered), exitpriority=_EXIT_PRIORITY
            )
        return self._pool

    # -------------------------------------------------------------------------------------- calls

    def submit(self, fn: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> Future[_T]:
        """Call *fn* in a worker; return the future of the call.

        Raises:
            RuntimeError: the executor was shut down.
        """
        future = PoolFuture()
        with self._lock:
            pool = self._running_pool()
            try:
                call = pool.apply_async(fn, args, kwargs, future.set_result, future.failed)
            except Exception as error:  # noqa: BLE001 - it cannot be sent: the future says so
                future.set_exception(translated(error))
            else:
                future._call = call
                self._futures.add(future)
        return future

    def map(
        self,
        fn: Callable[..., _T],
        *iterables: Iterable[Any],
        timeout: float | None = None,
        chunksize: int = 1,
        buffersize: int | None = None,
    ) -> Iterator[_T]:
        """Call *fn* for each tuple of items; return an iterator of the results, in order.

        Args:
            timeout: seconds from now until the last result has to be there.
            chunksize: calls that are sent together.
            buffersize: how many calls are sent before the results of those before were taken; None:
                all of them, at once.
        Raises:
            TimeoutError: by the iterator, as the exceptions of *fn*.
        """
        if chunksize < 1:
            raise ValueError("chunksize must be >= 1.")
        _check_buffer(buffersize)
        deadline = Deadline(timeout)
        calls: Iterable[Any] = zip(*iterables, strict=False)
        maps = self._buffered
        if buffersize is None:
            maps, calls = self._maps, list(calls)
            buffersize = max(1, len(calls))
        with self._lock:
            pool = self._running_pool()
            results = pool.imap(_StarCall(fn), calls, chunksize, buffersize=buffersize)
            maps.add(results)
        return _results(results, deadline)

    # -------------------------------------------------------------------------------------- the end

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Accept no more calls; let the workers end when all calls are done.

        Args:
            wait: return only then.
            cancel_futures: calls that no worker has begun are cancelled.
        """
        with self._lock:
            self._shut_down = True
            pool = self._pool
        if pool is None:
            return
        if cancel_futures:
            for future in list(self._futures):
                future.cancel()
            for results in [*self._maps, *self._buffered]:
                results.cancel(begun=False)
        self._finalizer.cancel()
        _finish(pool, self._buffered, wait)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        """Leave the ``with`` block: as `shutdown`; after Ctrl-C as `terminate_workers`."""
        if isinstance(exc_val, KeyboardInterrupt):
            self.terminate_workers()
        else:
            self.shutdown()

    def terminate_workers(self) -> None:
        """End the workers by SIGTERM, whatever they do; calls that are not done are broken."""
        self._end_workers(signal.SIGTERM)

    def kill_workers(self) -> None:
        """End the workers by SIGKILL, whatever they do; calls that are not done are broken."""
        self._end_workers(signal.SIGKILL)

    def _end_workers(self, number: signal.Signals) -> None:
        with self._lock:
            self._shut_down = True
            pool = self._pool
        if pool is None:
            return
        for worker in pool.stats().workers:
            try:
                os.kill(worker.pid, number)
            except ProcessLookupError:
                continue  # it has ended by itself
        pool.terminate()
        pool.join()


class _StarCall:
    """A function whose one argument is the tuple of the arguments of *fn*."""

    def __init__(self, fn: Callable[..., Any]):
        self._fn = fn
        functools.update_wrapper(self, fn, updated=())

    def __call__(self, arguments: tuple[Any, ...]) -> Any:
        return self._fn(*arguments)


def _results(results: IMapIterator, deadline: Deadline) -> Iterator[Any]:
    """Yield *results* until *deadline*; cancel those that are left when the iterator is closed."""
    try:
        while True:
            try:
                yield results.next(deadline.remaining())
            except StopIteration:
                return
    except PoolTimeoutError:
        if not deadline.expired:
            raise  # the call's own
        raise TimeoutError from None
    except Exception as error:
        other = translated(error)
        if other is error:
            raise
        raise other from error.__cause__
    finally:
        results.cancel(begun=False)


def _finish(pool: Pool, buffered: Iterable[IMapIterator], wait: bool = False) -> None:
    """Have *pool* end when all calls are done; wait for that if told to, or at exit.

    The *buffered* maps end after the calls that were sent, as their inputs may have no end.
    """
    pool.close()
    for results in list(buffered):
        results.give_up(RuntimeError("cannot schedule new futures after shutdown"))
    if util.is_exiting():
        _finish_at_exit(pool)
    elif wait:
        pool.join()
    else:
        _finish_by_thread(pool)


def _finish_at_exit(pool: Pool) -> None:
    if isinstance(getattr(sys, "last_value", None), KeyboardInterrupt) and not hasattr(sys, "ps1"):
        pool.terminate()  # Ctrl-C ends the program
    pool.join()


def _finish_by_thread(pool: Pool) -> None:
    """Let *pool* end when all calls are done, at the latest at exit."""
    at_exit = util.Finalize(None, _finish_at_exit, (pool,), exitpriority=_EXIT_PRIORITY)

    def wait() -> None:
        pool.join()
        at_exit.cancel()

    threading.Thread(target=wait, name="procession-futures", daemon=True).start()


def _own_context(other: Any) -> Any:
    if other is None:
        return get_context()
    if isinstance(other, context.BaseContext):
        return other
    return get_context(other.get_start_method())


def _check_tasks(number: object) -> None:
    if number is None:
        return
    if not isinstance(number, int):
        raise TypeError("max_tasks_per_child must be an integer")
    if number <= 0:
        raise ValueError("max_tasks_per_child must be >= 1")


def _check_buffer(size: object) -> None:
    if size is None:
        return
    if not isinstance(size, int):
        raise TypeError("buffersize must be an integer or None")
    if size < 1:
        raise ValueError("buffersize must be None or > 0")
