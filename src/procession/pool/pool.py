"""`Pool`: the interface, the states, the end.

Idea: the pool makes jobs and hands their tasks to the dispatcher; everything else is elsewhere. Its
own is the order of its end: after ``close`` the workers are let go when the last task is done;
``terminate``, the loss of the last reference and the exit of the program end them at once.

Invariant: a job holds the pool while it has open tasks; the dispatcher, the crew and its thread do
not, so a forgotten pool is garbage and is ended.

Layer: pool.
"""

from __future__ import annotations

import os
import threading
import warnings
from collections.abc import Callable, Iterable, Mapping
from types import GenericAlias, TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from .. import _ambient, _core, _log
from .._deadline import Deadline
from .._finalize import Finalize
from . import chunks
from .crew import Crew
from .dispatcher import Dispatcher
from .feed import SMALLEST_BOUND, InlineFeed, ThreadFeed, is_there_already
from .imap import IMapIterator, IMapUnorderedIterator
from .jobs import ApplyResult, Callback, MapResult
from .program import Programs

if TYPE_CHECKING:
    from ..context import BaseContext

INIT, RUN, CLOSE, TERMINATE = "INIT", "RUN", "CLOSE", "TERMINATE"

_Iterator = TypeVar("_Iterator", bound=IMapUnorderedIterator)

_EXIT_PRIORITY = 15  # before the processes that the program itself started are joined


class Pool:
    """A pool of worker processes that run the caller's functions.

    Args:
        processes: how many workers; None: as many as there are processors for this process.
        initializer: called with *initargs* in each worker when it starts. If it raises, so does
            every call of the pool.
        maxtasksperchild: a worker is replaced after so many tasks; None: never.
        context: where the processes come from; None: the default context.
    Raises:
        ValueError: *processes* or *maxtasksperchild* is less than 1.
        TypeError: *initializer* cannot be called.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: BaseContext | None = None,
    ):
        self._state = INIT
        self._ctx = context or _ambient.default_context
        self._processes = _size(processes)
        if maxtasksperchild is not None and (
            not isinstance(maxtasksperchild, int) or maxtasksperchild < 1
        ):
            raise ValueError("maxtasksperchild must be a positive int or None")
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        self._maxtasksperchild = maxtasksperchild
        self._receiver: threading.Thread | None = None
        self._set_up(initializer, initargs)
        self._terminate = Finalize(
            self, _end, (self._dispatcher, self._crew), exitpriority=_EXIT_PRIORITY
        )
        self._state = RUN

    def _set_up(self, initializer: Callable[..., object] | None, initargs: Iterable[Any]) -> None:
        tasks, results = _core.TaskChannel(), _core.TaskChannel()
        self._programs: Any = Programs()
        self._dispatcher = Dispatcher(tasks, results)
        self._crew: Any = Crew(
            _Starter(self._ctx, self.Process),
            self._processes,
            tasks,
            results,
            self._dispatcher,
            initializer,
            initargs,
            self._maxtasksperchild,
        )

    @staticmethod
    def Process(ctx: Any, *args: Any, **kwds: Any) -> Any:
        """Make a worker's process object, as subclasses of the standard pool override it."""
        return ctx.Process(*args, **kwds)

    @property
    def _pool(self) -> list[Any]:
        """The workers, as third parties look at them."""
        return [worker for worker in self._crew.workers if worker is not None]

    # -------------------------------------------------------------------------------- one call

    def apply(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call *func* in a worker and return its result.

        Raises: what the call raises, with the remote traceback as cause; `WorkerLostError`.
        """
        return self.apply_async(func, args, kwds).get()

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> ApplyResult:
        """Call *func* in a worker; the result is to come.

        Raises:
            ValueError: the pool is not running.
            pickle.PicklingError, TypeError, AttributeError: something cannot be sent.
        """
        self._check_running()
        task = (tuple(args), dict(kwds) if kwds else {})
        with self._dispatcher.lock:
            program = self._programs.get(func, "apply")
            job = ApplyResult(self._dispatcher, program.name, callback, error_callback)
            job._owner = (self, program)
            self._dispatcher.send_one(job, program, task)
        self._serve_callbacks(callback, error_callback)
        return job

    # -------------------------------------------------------------------------------- a map

    def map(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = None
    ) -> list[Any]:
        """Call *func* for each item; the results, in order. Raises: as `apply`."""
        results: list[Any] = self._map_async(func, iterable, "chunk", chunksize).get()
        return results

    def starmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
    ) -> list[Any]:
        """Like `map`, but each item is a tuple of arguments."""
        results: list[Any] = self._map_async(func, iterable, "star_chunk", chunksize).get()
        return results

    def map_async(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> MapResult:
        """Like `map`; the results are to come."""
        return self._map_async(func, iterable, "chunk", chunksize, callback, error_callback)

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> MapResult:
        """Like `starmap`; the results are to come."""
        return self._map_async(func, iterable, "star_chunk", chunksize, callback, error_callback)

    def _map_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        mode: str,
        chunksize: int | None = None,
        callback: Callback | None = None,
        error_callback: Callback | None = None,
    ) -> MapResult:
        self._check_running()
        items = iterable if isinstance(iterable, list) else list(iterable)
        pieces = list(chunks.cut(len(items), self._processes, chunksize))
        tasks = [items[start:end] for start, end in pieces]
        with self._dispatcher.lock:
            program = self._programs.get(func, mode)
            job = MapResult(self._dispatcher, program.name, len(items), callback, error_callback)
            job._owner = (self, program)
            self._dispatcher.send(job, program, tasks, pieces)
        self._serve_callbacks(callback, error_callback)
        return job

    # -------------------------------------------------------------------------------- an imap

    def imap(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        *,
        buffersize: int | None = None,
    ) -> IMapIterator:
        """Call *func* for each item; an iterator of the results, in order.

        Args:
            chunksize: items in a task, 1 or more.
            buffersize: how many items are drawn from *iterable* before the caller has taken their
                results; None: enough to keep the workers busy.
        """
        return self._imap(IMapIterator, func, iterable, chunksize, buffersize)

    def imap_unordered(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int = 1,
        *,
        buffersize: int | None = None,
    ) -> IMapUnorderedIterator:
        """Like `imap`, but the results come in the order in which they are ready."""
        return self._imap(IMapUnorderedIterator, func, iterable, chunksize, buffersize)

    def _imap(
        self,
        kind: type[_Iterator],
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int,
        buffersize: int | None,
    ) -> _Iterator:
        self._check_running()
        if chunksize < 1:
            raise ValueError(f"Chunksize must be 1+, not {chunksize}")
        if buffersize is not None and buffersize < 1:
            raise ValueError(f"buffersize must be 1 or more, not {buffersize}")
        chunked = chunksize > 1
        with self._dispatcher.lock:
            program = self._programs.get(func, "chunk" if chunked else "each")
        job = kind(self._dispatcher, program.name, chunked)
        job._owner = (self, program)
        bound = buffersize or max(SMALLEST_BOUND, self._processes * chunksize * 4)
        feed = InlineFeed if is_there_already(iterable) else ThreadFeed
        feed(self._dispatcher, program, iterable, chunksize, chunked, bound).start(job)
        return job

    # -------------------------------------------------------------------------------- callbacks

    def _serve_callbacks(self, *callbacks: Callback | None) -> None:
        """Callbacks must run though nobody waits: from the first one on, a thread receives."""
        if self._receiver is not None or not any(callbacks):
            return
        self._receiver = threading.Thread(
            target=_receive, args=(self._dispatcher,), name="procession-callbacks", daemon=True
        )
        self._receiver.start()

    # -------------------------------------------------------------------------------- the end

    def _check_running(self) -> None:
        if self._state != RUN:
            raise ValueError("Pool not running")

    def close(self) -> None:
        """Take no more work; the workers end when all that was given is done."""
        _log.debug("closing pool")
        if self._state == RUN:
            self._state = CLOSE

    def terminate(self) -> None:
        """End the workers at once; open calls raise ``ProcessError`` for their callers."""
        _log.debug("terminating pool")
        self._state = TERMINATE
        self._terminate()

    def join(self) -> None:
        """Wait until the workers have ended.

        Raises:
            ValueError: neither ``close`` nor ``terminate`` was called.
        """
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state not in (CLOSE, TERMINATE):
            raise ValueError("In unknown state")
        if self._state == CLOSE and self._terminate.still_active():
            self._dispatcher.wait_until(self._dispatcher.is_idle, Deadline(None))
            self._dispatcher.stop_workers(self._crew.dismiss())
            self._crew.join()
            self._terminate()
        self._crew.join()
        if self._receiver is not None and self._receiver is not threading.current_thread():
            self._receiver.join()

    def __enter__(self) -> Self:
        self._check_running()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.terminate()

    def __del__(self) -> None:
        if getattr(self, "_state", INIT) == RUN:
            warnings.warn(
                f"unclosed running multiprocessing pool {self!r}",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )

    def __repr__(self) -> str:
        cls = type(self)
        size = len(self._pool) if self._state != INIT else 0
        return f"<{cls.__module__}.{cls.__qualname__} state={self._state} pool_size={size}>"

    def __reduce__(self) -> Any:
        raise NotImplementedError(
            "pool objects cannot be passed between processes or pickled; make a pool in the "
            "process that uses it, which may be a worker of another pool"
        )

    __class_getitem__: Any = classmethod(GenericAlias)


class _Starter:
    """Starts a worker; it knows the context, not the pool."""

    def __init__(self, context: Any, make: Callable[..., Any]):
        self._context = context
        self._make = make

    def __call__(self, target: Callable[..., object], *args: Any) -> Any:
        process = self._make(self._context, target=target, args=args, daemon=True)
        process.name = process.name.replace("Process", "PoolWorker")
        process.start()
        return process


def _size(processes: int | None) -> int:
    if processes is None:
        processes = len(os.sched_getaffinity(0))
    if processes < 1:
        raise ValueError("Number of processes must be at least 1")
    return processes


def _receive(dispatcher: Dispatcher) -> None:
    """The thread behind callbacks."""
    dispatcher.wait_until(dispatcher.is_over, Deadline(None))


def _end(dispatcher: Dispatcher, crew: Crew) -> None:
    """Nothing runs on behalf of the pool when this returns."""
    crew.end()
    dispatcher.fail_all(_terminated)


def _terminated() -> BaseException:
    from .._errors import ProcessError

    return ProcessError("the pool was terminated before this call had ended")
