"""`Pool`: its construction, its states, its end.

Idea: the pool connects the parts: the calls (`_submit`), the dispatcher, the supervisor. Its own is
the order of its end: after ``close`` the workers are stopped when the last task is done;
``terminate``, the loss of the last reference and the exit of the program end them at once.

Invariant: a job holds the pool while it has open tasks. The dispatcher, the supervisor and its
thread do not, so a forgotten pool is garbage and is ended.

Layer: pool.
"""

from __future__ import annotations

import operator
import os
import threading
import warnings
from collections.abc import Callable, Iterable
from signal import SIGTERM
from types import GenericAlias, TracebackType
from typing import TYPE_CHECKING, Any, Self

from .. import _core
from .._base import hooks, log
from .._base.deadline import Deadline
from .._base.finalize import Finalize
from .._launch import sigint_mask
from ._dispatcher import Dispatcher
from ._functions import SharedFunctions
from ._options import WorkerOptions
from ._stats import PoolStats
from ._submit import PoolCalls
from ._supervisor import TERMINATE_TIMEOUT, Supervisor
from ._worker_setup import LibraryThreads

if TYPE_CHECKING:
    from ..context import BaseContext

INIT, RUN, CLOSE, TERMINATE = "INIT", "RUN", "CLOSE", "TERMINATE"

_EXIT_PRIORITY = 15  # before the processes that the program itself started are joined


class Pool(PoolCalls):
    """A pool of worker processes that run the caller's functions.

    Args:
        processes: how many workers; None: as many as this process may use processors, by its
            affinity and the quotas of its control groups; in the worker of a pool, its share of
            them.
        initializer: called with *initargs* in each worker when it starts. If it raises, so does
            every call of the pool.
        maxtasksperchild: a worker is replaced after so many tasks; None: never.
        context: where the processes come from; None: the default context.
        name: of the workers, followed by their number: name-1, name-2, ...
        seed: the workers' `random` states, and numpy's where it is loaded, are made of it and the
            worker's number; None: they are distinct, and different each time.
        max_memory_per_child: a worker that occupies more bytes than that when it has done a task is
            replaced.
        worker_init, worker_exit: what the first returns is `pool.worker_state()` in tasks; the
            second is called with it when a worker ends in order.
        threads_per_worker: how many threads numerical libraries (OpenMP, BLAS) use in a worker.
        trace: a file to write a timeline to, which Perfetto (https://ui.perfetto.dev) and
            chrome://tracing show: a row for each worker with its tasks, and how they ended.
    Raises:
        ValueError: a number is less than 1.
        TypeError: an argument has a wrong type, or cannot be called.
        OSError: the trace cannot be written.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: BaseContext | None = None,
        *,
        name: str | None = None,
        seed: int | str | None = None,
        max_memory_per_child: int | None = None,
        worker_init: Callable[[], Any] | None = None,
        worker_exit: Callable[[Any], object] | None = None,
        threads_per_worker: int | None = None,
        trace: str | os.PathLike[str] | None = None,
    ):
        self._state = INIT
        self._ctx = context or hooks.default_context
        self._processes = _size(processes)
        options = WorkerOptions(
            *(initializer, tuple(initargs), maxtasksperchild, name, seed),
            *(max_memory_per_child, worker_init, worker_exit, threads_per_worker),
            trace=None if trace is None else os.fspath(trace),
        )
        self._set_up(options)
        self._dispatcher.cancel_table = self._supervisor.cancel_table
        self._dispatcher.cancel_running = self._supervisor.cancel_running
        self._end = _End(self._dispatcher, self._supervisor)
        self._terminate = Finalize(self, self._end, exitpriority=_EXIT_PRIORITY)
        try:
            self._supervisor.start()
        except BaseException:
            self._terminate()
            raise
        self._state = RUN

    def _set_up(self, options: WorkerOptions) -> None:
        tasks, results = _core.TaskChannel(), _core.TaskChannel()
        self._functions: Any = SharedFunctions()
        spans = None
        if options.trace is None:
            self._dispatcher = Dispatcher(tasks, results)
        else:
            from ._trace import Trace, TracingDispatcher  # rarely needed

            trace = Trace(options.trace, options.name or "Pool")
            self._dispatcher = TracingDispatcher(tasks, results, trace)
            spans = trace.channel
        start = _ProcessStarter(self._ctx, self.Process, options)
        try:
            self._supervisor: Any = Supervisor(
                start, self._processes, tasks, results, self._dispatcher, options, spans
            )
        except BaseException:
            self._dispatcher.close()
            raise

    @staticmethod
    def Process(ctx: Any, *args: Any, **kwds: Any) -> Any:
        """Make a worker's process object, as subclasses of the standard pool override it."""
        return ctx.Process(*args, **kwds)

    @property
    def _pool(self) -> list[Any]:
        """The worker processes: libraries and tests read them under this name."""
        return [worker for worker in self._supervisor.workers if worker is not None]

    def stats(self) -> PoolStats:
        """Return what has become of the tasks so far, and what the workers do."""
        return self._dispatcher.stats(self._supervisor.snapshot())

    # -------------------------------------------------------------------------------- the end

    def _check_running(self) -> None:
        if self._state != RUN:
            raise ValueError("Pool not running")

    def close(self) -> None:
        """Accept no more calls; the workers end when all tasks are done."""
        log.debug("closing pool")
        if self._state == RUN:
            self._state = CLOSE

    def terminate(self, timeout: float | None = TERMINATE_TIMEOUT) -> None:
        """End the workers at once; open calls raise ``ProcessError`` for their callers.

        Workers are asked to leave by a message, those with a task by SIGTERM besides.

        Args:
            timeout: seconds that the handlers of SIGTERM in workers may take; then what is left is
                killed. None: they are waited for. Threads cannot be killed.
        """
        log.debug("terminating pool")
        self._end.check(timeout)
        self._state = TERMINATE
        self._terminate()
        self._end()  # if it was interrupted before

    def join(self) -> None:
        """Wait until the workers have ended.

        After ``close`` they first do all tasks, also those of each imap whose results were not
        taken yet; the results can be taken afterwards.

        Raises:
            ValueError: neither ``close`` nor ``terminate`` was called.
        """
        if self._state == RUN:
            raise ValueError("Pool is still running")
        if self._state not in (CLOSE, TERMINATE):
            raise ValueError("In unknown state")
        if self._state == CLOSE and self._terminate.still_active():
            self._dispatcher.drain()
            self._dispatcher.wait_until(self._dispatcher.is_idle, Deadline(None))
            self._dispatcher.stop_workers(self._supervisor.stop_replacing())
            self._supervisor.join()
            self._terminate()
        self._supervisor.join()
        receiver = self._dispatcher.receiver
        if receiver is not None and receiver is not threading.current_thread():
            receiver.join()

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


class _ProcessStarter:
    """Starts a worker process; it knows the context, not the pool."""

    def __init__(self, context: Any, make: Callable[..., Any], options: WorkerOptions):
        self._context = context
        self._make = make
        self._name = options.name
        self._threads = LibraryThreads(options.threads)

    def __call__(self, number: int, target: Callable[..., object], *args: Any) -> Any:
        process = self._make(self._context, target=target, args=args, daemon=True)
        if self._name is None:
            process.name = process.name.replace("Process", "PoolWorker")
        else:
            process.name = f"{self._name}-{number}"
        with self._threads.inherited(), sigint_mask.blocked(*self._inherited_handlers()):
            process.start()
        return process

    def _inherited_handlers(self) -> tuple[int, ...]:
        """Return the signals whose handlers in a new worker are those of this process at first."""
        return (SIGTERM,) if self._context.get_start_method() == "fork" else ()


def _size(processes: int | None) -> int:
    if processes is None:
        from .._base.cpu_quota import share  # needed only where the caller does not say

        processes = share()
    try:
        count = operator.index(processes)
    except TypeError:
        raise TypeError(f"processes must be an int or None, not {processes!r}") from None
    if count < 1:
        raise ValueError("Number of processes must be at least 1")
    return count


class _End:
    """Ends a pool: nothing runs for it afterwards. It does not know the pool itself."""

    def __init__(self, dispatcher: Dispatcher, supervisor: Any):
        self._dispatcher, self._supervisor = dispatcher, supervisor
        self._is_done = False
        self._timeout: float | None = TERMINATE_TIMEOUT

    def check(self, timeout: float | None) -> None:
        """Use *timeout* for the workers' end.

        Raises:
            TypeError, ValueError: it is no length of time.
        """
        Deadline(timeout)
        self._timeout = timeout

    def __call__(self) -> None:
        if self._is_done:
            return
        try:
            self._supervisor.end(self._timeout)
            self._dispatcher.fail_all(_terminated)
            self._dispatcher.close()
        except BaseException:  # Ctrl-C, most likely: the rest is done at exit at the latest
            Finalize(None, self, exitpriority=_EXIT_PRIORITY)
            raise
        # It held the supervisor, which holds the dispatcher.
        vars(self._dispatcher).pop("cancel_running", None)
        self._is_done = True


def _terminated() -> BaseException:
    from .._base.errors import ProcessError

    return ProcessError("the pool was terminated before this call had ended")
