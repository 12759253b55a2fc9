"""`ThreadPool`: the interface of `Pool`, with threads of this process for workers.

Idea: the dispatcher knows channels, not processes. So a thread pool is a pool whose channels are
queues in memory, whose shared functions are the functions themselves, and whose supervisor has
threads.

Invariant: nothing is pickled. A thread cannot be killed: ``terminate`` discards the tasks that no
thread has begun.

Layer: pool.
"""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from queue import Empty, SimpleQueue
from typing import Any

from .._base import safe_text
from .._base.deadline import Deadline
from . import _time_limit
from ._dispatcher import Dispatcher
from ._functions import MODES, Function
from ._options import WorkerOptions
from ._pool import Pool
from ._protocols import SETUP_FAILED, STOP, Message
from ._stats import WorkerSnapshot
from ._worker import run_tasks

TERMINATE_GRACE = 0.4
"""Seconds that `join` waits for a thread's task after ``terminate``."""


class LocalChannel:
    """The interface of a channel, over a queue in memory."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Message] = SimpleQueue()
        self._numbers = itertools.count()
        self._put_count = 0

    def send(self, obj: Any, label: int, extra: int, /) -> int:
        """Send a message; return its number."""
        number = next(self._numbers)
        self._put_count = number + 1
        self._queue.put((number, label, extra, obj, None))
        return number

    def send_batch(self, items: list[Any], label: int, extra: int, /) -> tuple[int, int, None]:
        """Send messages; return as `Channel`, without an error. Locked by the caller."""
        numbers = [self.send(item, label, extra) for item in items]
        return (numbers[0] if numbers else 0), len(numbers), None

    def receive(self, timeout: float | None, /) -> Message:
        """Receive a message; queue.Empty when none came in time."""
        return self._queue.get(timeout=timeout)

    def receive_batch(self, inbox: list[Message], limit: int, timeout: float | None, /) -> int:
        """Wait for a message and append it; queue.Empty when none came."""
        if timeout == 0:
            inbox.append(self._queue.get_nowait())
        else:
            inbox.append(self._queue.get(timeout=timeout))
        return 1

    @property
    def got_count(self) -> int:
        """How many messages were received. Exact while no thread sends."""
        return self._put_count - self._queue.qsize()

    def qsize(self) -> int:
        """How many messages are in the channel."""
        return self._queue.qsize()

    def clear(self) -> None:
        """Discard all messages."""
        try:
            while True:
                self._queue.get_nowait()
        except Empty:
            return


class LocalCancelTable:
    """The tasks that must not be begun; and those that were, as a thread cannot be ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: set[int] = set()
        self.begun: dict[str, tuple[int, int]] = {}  # by thread: its latest task, and since when

    def add(self, number: int) -> bool:
        """Cancel task *number*; False: it runs."""
        with self._lock:
            if any(number == running for running, _ in self.begun.values()):
                return False
            self._numbers.add(number)
            return True

    def remove(self, number: int) -> None:
        """Forget task *number*, which has ended."""
        with self._lock:
            self._numbers.discard(number)

    def has(self, number: int) -> bool:
        """Whether the current thread must not begin task *number*, which it has received."""
        with self._lock:
            if number in self._numbers:
                return True
            self.begun[threading.current_thread().name] = number, time.monotonic_ns()
            return False


class LocalFunction:
    """A function that is called in this process."""

    offset = 0
    _serials = itertools.count(STOP + 1)

    def __init__(self, function: Function, mode: str):
        self.serial = next(self._serials)
        self.name = safe_text.callable_name(function)
        self.run = MODES[mode](function)


class LocalFunctions:
    """Makes local functions, and finds them by their numbers while a job holds them."""

    def __init__(self) -> None:
        self._functions: weakref.WeakValueDictionary[int, LocalFunction] = (
            weakref.WeakValueDictionary()
        )

    def get(self, function: Function, mode: str, limit: float | None = None) -> LocalFunction:
        """Return a new local function.

        Raises:
            ValueError: there is a time limit.
        """
        _time_limit.check_for_threads(limit)
        local = LocalFunction(function, mode)
        self._functions[local.serial] = local
        return local

    def find(self, serial: int, offset: int) -> Callable[[Any], Any]:
        """Return what to call with a task."""
        return self._functions[serial].run


class ThreadSupervisor:
    """The workers of a thread pool. Args: as `Supervisor`."""

    def __init__(
        self,
        size: int,
        tasks: LocalChannel,
        results: LocalChannel,
        get_function: Callable[[int, int], Callable[[Any], Any]],
        options: WorkerOptions,
        cancel_table: LocalCancelTable,
    ):
        self.cancel_table = cancel_table
        self._tasks, self._results, self._get_function = tasks, results, get_function
        self._options = options
        self._ended = False
        self.workers = [
            threading.Thread(target=self._work, name=f"ThreadPoolWorker-{i}", daemon=True)
            for i in range(1, size + 1)
        ]

    def start(self) -> None:
        """Start the threads."""
        for worker in self.workers:
            worker.start()

    def _work(self) -> None:
        if self._options.initializer is not None:
            try:
                self._options.initializer(*self._options.initargs)
            except BaseException as error:  # noqa: BLE001 - the pool tells the caller
                self._results.send(error, 0, SETUP_FAILED)
                return
        run_tasks(
            self._tasks.receive,
            self._get_function,
            self._results.send,
            lambda done: False,
            _unchanged,
            self.cancel_table.has,
        )

    def cancel_running(self, tasks: set[int]) -> None:
        """Do nothing: `LocalCancelTable.add` has refused each task that runs."""

    def snapshot(self) -> list[WorkerSnapshot]:
        """Return what the workers do at this moment."""
        begun, pid = self.cancel_table.begun, os.getpid()
        return [WorkerSnapshot(w.name, pid, *begun.get(w.name, (None, 1))) for w in self.workers]

    def stop_replacing(self) -> int:
        """Return how many workers there are to be stopped."""
        return len(self.workers)

    def join(self) -> None:
        """Wait until the last worker has ended; after `end` only for those without a task.

        A thread cannot be made to leave a task. It ends after the task, and delays no exit.
        """
        deadline = Deadline(TERMINATE_GRACE if self._ended else None)
        for worker in self.workers:
            if worker is not threading.current_thread() and worker.ident is not None:
                worker.join(deadline.remaining())

    def end(self, timeout: float | None = None) -> None:
        """Discard the tasks that no worker has begun, and end each worker after its task.

        Args:
            timeout: not used, as a thread cannot be killed.
        """
        self._ended = True
        self._tasks.clear()
        for _ in self.workers:
            self._tasks.send(None, STOP, 0)


class ThreadPool(Pool):
    """A pool of worker threads.

    Args:
        processes: how many threads; None: as many as this process may use processors, by its
            affinity and the quotas of its control groups.
        initializer, initargs: called in each thread when it starts.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
    ):
        super().__init__(processes, initializer, initargs)

    def _set_up(self, options: WorkerOptions) -> None:
        tasks, results, cancel_table = LocalChannel(), LocalChannel(), LocalCancelTable()
        self._functions = LocalFunctions()
        self._dispatcher = Dispatcher(tasks, results)
        self._supervisor = ThreadSupervisor(
            self._processes, tasks, results, self._functions.find, options, cancel_table
        )

    def __reduce__(self) -> Any:
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")


def _unchanged(error: BaseException) -> BaseException:
    """Return an exception of a thread as it is: it has its traceback."""
    return error
