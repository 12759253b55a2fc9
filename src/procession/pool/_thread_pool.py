"""`ThreadPool`: the interface of `Pool`, with threads of this process for workers.

Idea: the dispatcher knows channels, not processes. So a thread pool is a pool whose channels are
queues in memory, whose programs are the functions themselves, and whose crew are threads.

Invariant: nothing is pickled. A thread cannot be killed: ``terminate`` drops what nobody has begun.

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

from .._base.deadline import Deadline
from ._dispatcher import Dispatcher
from ._functions import MODES, Function
from ._options import Options
from ._pool import Pool
from ._protocols import Message
from ._stats import Seen
from ._supervisor import GRACE
from ._worker import REFUSED, STOP, serve


class LocalChannel:
    """The channel's interface over a queue in memory."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[Message] = SimpleQueue()
        self._numbers = itertools.count()
        self._put_count = 0

    def put_tagged(self, obj: Any, tag: int, extra: int, /) -> int:
        """Put a message; its number."""
        number = next(self._numbers)
        self._put_count = number + 1
        self._queue.put((number, tag, extra, obj, None))
        return number

    def put_batch(self, items: list[Any], tag: int, extra: int, /) -> tuple[int, int, None]:
        """Put messages; the first one's number, how many, no error. Locked by the caller."""
        numbers = [self.put_tagged(item, tag, extra) for item in items]
        return (numbers[0] if numbers else 0), len(numbers), None

    def get_tagged(self, timeout: float | None, /) -> Message:
        """Take a message; queue.Empty when none came in time."""
        return self._queue.get(timeout=timeout)

    def receive_into(self, inbox: list[Message], limit: int, timeout: float | None, /) -> int:
        """Append what is there, after waiting for one; queue.Empty when none came."""
        if timeout == 0:
            inbox.append(self._queue.get_nowait())
        else:
            inbox.append(self._queue.get(timeout=timeout))
        return 1

    @property
    def got_count(self) -> int:
        """How many messages were ever taken. Exact while nobody puts."""
        return self._put_count - self._queue.qsize()

    def qsize(self) -> int:
        """How many messages are there."""
        return self._queue.qsize()

    def clear(self) -> None:
        """Drop all messages."""
        try:
            while True:
                self._queue.get_nowait()
        except Empty:
            return


class LocalCancelled:
    """The tasks that must not be begun; and those that are, as a thread cannot be ended."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers: set[int] = set()
        self.begun: dict[str, tuple[int, int]] = {}  # by thread: a task, and since when

    def add(self, number: int) -> bool:
        """Cancel task *number*; False: it runs."""
        with self._lock:
            if any(number == running for running, _ in self.begun.values()):
                return False
            self._numbers.add(number)
            return True

    def settle(self, number: int) -> None:
        """Task *number* has ended."""
        with self._lock:
            self._numbers.discard(number)

    def has(self, number: int) -> bool:
        """Whether the current thread must not begin task *number*, which it has taken."""
        with self._lock:
            if number in self._numbers:
                return True
            self.begun[threading.current_thread().name] = number, time.monotonic_ns()
            return False


class LocalProgram:
    """A function that is called where it is."""

    offset = 0
    _serials = itertools.count(STOP + 1)

    def __init__(self, function: Function, mode: str):
        self.serial = next(self._serials)
        self.name = getattr(function, "__qualname__", None) or repr(function)
        self.task = MODES[mode](function)


class LocalPrograms:
    """Makes programs, and finds them by their numbers while a job holds them."""

    def __init__(self) -> None:
        self._programs: weakref.WeakValueDictionary[int, LocalProgram] = (
            weakref.WeakValueDictionary()
        )

    def get(self, function: Function, mode: str, limit: float | None = None) -> LocalProgram:
        """Return a new program for *function*."""
        if limit is not None:
            raise ValueError("timeout= needs a pool of processes: a thread cannot be ended")
        program = LocalProgram(function, mode)
        self._programs[program.serial] = program
        return program

    def load(self, serial: int, offset: int) -> Callable[[Any], Any]:
        """Return what to call with a task."""
        return self._programs[serial].task


class LocalCrew:
    """The workers of a thread pool. Args: as `Crew`."""

    def __init__(
        self,
        size: int,
        tasks: LocalChannel,
        results: LocalChannel,
        load: Callable[[int, int], Callable[[Any], Any]],
        options: Options,
        cancelled: LocalCancelled,
    ):
        self.cancelled = cancelled
        self._tasks, self._results, self._load = tasks, results, load
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
                self._results.put_tagged(error, 0, REFUSED)
                return
        serve(
            self._tasks.get_tagged,
            self._load,
            self._results.put_tagged,
            lambda done: False,
            _unchanged,
            self.cancelled.has,
        )

    def interrupt(self, numbers: set[int]) -> None:
        """Nothing: of a task that runs, `LocalCancelled.add` said that it cannot be cancelled."""

    def seen(self) -> list[Seen]:
        """The workers as they are now."""
        begun, pid = self.cancelled.begun, os.getpid()
        return [Seen(w.name, pid, *begun.get(w.name, (None, 1))) for w in self.workers]

    def dismiss(self) -> int:
        """How many workers there are to be stopped."""
        return len(self.workers)

    def join(self) -> None:
        """Wait until the last worker has ended; after `end`, for those alone that do nothing.

        A thread cannot be made to leave a task. It ends behind it, and holds up no exit.
        """
        deadline = Deadline(GRACE if self._ended else None)
        for worker in self.workers:
            if worker is not threading.current_thread() and worker.ident is not None:
                worker.join(deadline.remaining())

    def end(self) -> None:
        """Drop what nobody has begun, and let each worker end after what it does now."""
        self._ended = True
        self._tasks.clear()
        for _ in self.workers:
            self._tasks.put_tagged(None, STOP, 0)


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

    def _set_up(self, options: Options) -> None:
        tasks, results, cancelled = LocalChannel(), LocalChannel(), LocalCancelled()
        self._programs = LocalPrograms()
        self._dispatcher = Dispatcher(tasks, results)
        self._crew = LocalCrew(
            self._processes, tasks, results, self._programs.load, options, cancelled
        )

    def __reduce__(self) -> Any:
        raise NotImplementedError("pool objects cannot be passed between processes or pickled")


def _unchanged(error: BaseException) -> BaseException:
    """An exception of a thread needs no wrapping: its traceback is here."""
    return error
