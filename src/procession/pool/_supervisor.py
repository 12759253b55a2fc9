"""The supervisor: it starts the worker processes of a pool, and replaces those that have died.

Idea: each worker has an index, and at that index a status in shared memory (see `_worker_status`).
One thread, the watcher, sleeps until a worker ends. It then reads the worker's last status, puts
"lost" for the task that the worker had into the channel of results, behind whatever the worker had
put there before, and starts another worker with the same index.

Invariant: a task that a dead worker had received is followed by its result or by "lost", in this
order if by both; a task it had not received yet is still in the channel. Whatever interrupts a
start or an end (Ctrl-C does), `end` may be called (again), and leaves no worker.

Layer: pool.
"""

from __future__ import annotations

import itertools
import select
import signal
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import log, runtime, safe_text
from .._base.deadline import Deadline
from .._base.poll import wait_readable
from .._base.wakeup import Wakeup
from .._launch import sigint_mask
from . import _remote_errors, _time_limit, _trace_spans
from ._protocols import LOST, NO_TASK, STOP, TIMED_OUT
from ._stats import WorkerSnapshot
from ._worker import WorkerArguments, main
from ._worker_setup import LibraryThreads
from ._worker_status import WorkerStatus, WorkerStatusTable

if TYPE_CHECKING:
    from ._cancel_table import SharedCancelTable
    from ._dispatcher import Dispatcher
    from ._options import WorkerOptions

CANCEL_GRACE = 0.3
"""Seconds that a worker gets to end for a cancelled task before it is killed whatever it does."""

TERMINATE_TIMEOUT = 5.0
"""Seconds that workers get to end in order, or by SIGTERM, before they are killed."""

_LEAVE_GRACE = 0.1
"""Seconds in which a worker without a task takes the message that asks it to leave."""

_DEATHS_AT_START = 5
"""So many deaths in a row, for each worker, before any task was taken: then the pool gives up."""

_BACK_OFF, _LONGEST_BACK_OFF = 0.05, 1.0  # seconds


class Supervisor:
    """The workers of one pool. There is none before `start`.

    Args:
        start_process: makes and starts a daemon process that runs a function as worker *number*.
        size: how many workers, 1 or more.
        tasks, results: the pool's channels.
        dispatcher: is told when there will be no worker any more.
        options: what the pool's owner wants.
        spans: the channel for the spans of a trace; None: there is no trace.

    Attributes:
        workers: the processes by their index; None where there is none at the moment.
    """

    def __init__(
        self,
        start_process: Callable[..., Any],
        size: int,
        tasks: _core.TaskChannel,
        results: _core.TaskChannel,
        dispatcher: Dispatcher,
        options: WorkerOptions,
        spans: _core.TaskChannel | None = None,
    ):
        self._start_process = start_process
        self._tasks, self._results, self._spans = tasks, results, spans
        self._dispatcher = dispatcher
        self._options = options
        self._status = WorkerStatusTable(size)
        self._numbers = itertools.count(1)
        self.workers: list[Any] = [None] * size
        self._number_of = [0] * size  # by index: the worker's number, which no other gets
        self._stopped = threading.Event()  # no worker is started any more
        self._ended = False  # by `end`: the tasks of the workers are not lost, but given up
        self._deaths_at_start = 0
        self._lock = threading.RLock()  # the collector may end a forgotten pool anywhere
        self._terminating: dict[int, tuple[int, Deadline]] = {}  # by index: the task, until when
        self._signalled: set[int] = set()  # the pids that were sent SIGTERM, once each
        self._wakeup = Wakeup()  # of the watcher
        self._watching = threading.Lock()  # taken by one thread, the watcher, for good
        self._watcher: threading.Thread | None = None
        self._finished = threading.Event()

    def start(self) -> None:
        """Start the workers, and the thread that watches them."""
        try:
            for index in range(len(self.workers)):
                self._start_worker(index)
        except Exception:
            self._end_unwatched()
            raise
        self._start_watcher()

    def _end_unwatched(self) -> None:
        """End the workers that were started, as another one could not be."""
        started = [worker for worker in self.workers if worker is not None]
        self.workers = [None] * len(self.workers)
        for worker in started:
            worker.terminate()
        deadline = Deadline(TERMINATE_TIMEOUT)
        for worker in started:
            # The standard package calls terminate() and join() alone here, so a process class of
            # the program may have no more.
            sentinel = getattr(worker, "sentinel", None)
            if sentinel is not None and not wait_readable(sentinel, deadline):
                worker.kill()
            worker.join()

    def _start_watcher(self) -> None:
        """Start a watcher unless there is one; may be called again when it was interrupted."""
        with sigint_mask.blocked():
            threading.Thread(target=self._watch, name="procession-pool", daemon=True).start()

    def _start_worker(self, index: int) -> None:
        self._status.clear(index)
        number = next(self._numbers)
        arguments = WorkerArguments(
            LibraryThreads(self._options.threads),
            *(self._tasks, self._results, self._spans),
            *(self._status.block, index, number),
            runtime.cpu_sharers * len(self.workers),
            self._options,
        )
        self._number_of[index] = number
        with sigint_mask.blocked():  # in the worker, until it has its own handler
            self.workers[index] = self._start_process(number, main, arguments)

    # ------------------------------------------------------------------------------------- watching

    def _watch(self) -> None:
        """Be the watcher, until no worker is left that would have to be watched."""
        if not self._watching.acquire(blocking=False):
            return
        self._watcher = threading.current_thread()
        try:
            self._watch_all()
        finally:
            with self._lock:
                self._wakeup.close()
            self._finished.set()

    def _watch_all(self) -> None:
        while alive := {w.sentinel: index for index, w in enumerate(self.workers) if w is not None}:
            poller = select.poll()
            poller.register(self._wakeup, select.POLLIN)
            for sentinel in alive:
                poller.register(sentinel, select.POLLIN)
            for ready, _ in poller.poll(self._next_kill_ms()):
                if ready == self._wakeup.fileno():
                    self._wakeup.clear()
                else:
                    self._on_worker_exit(alive[ready])
            self._kill_overdue()

    def _on_worker_exit(self, index: int) -> None:
        """Report what has become of the task of worker *index*, and start another worker."""
        worker = self.workers[index]
        worker.join()
        exitcode, status = worker.exitcode, self._status.read(index)
        log.debug("worker %s ended with exit code %s", worker.name, exitcode)
        self._report_task(worker, index, status)
        with self._lock:  # no thread sees a closed worker
            self.workers[index] = None
            worker.close()
            self._terminating.pop(index, None)
        if status.task is not None or exitcode == 0:
            self._deaths_at_start = 0
        else:
            self._on_death_at_start(exitcode)
        self._replace(index)

    def _report_task(self, worker: Any, index: int, status: WorkerStatus) -> None:
        """Put what has become of the task that *worker* had, if any, into the results."""
        task = status.task
        if task is None or self._tasks.got_count <= task:  # the task is still in the channel
            return
        if self._spans is not None:
            _trace_spans.put_span(self._spans, task, self._number_of[index], status.started_ns)
        if self._ended:
            return
        too_long = _time_limit.report(worker, status)
        if too_long is not None:
            self._results.send(too_long, task, TIMED_OUT)
        else:
            self._results.send(_remote_errors.describe_loss(worker), task, LOST)

    def _replace(self, index: int) -> None:
        """Start another worker *index*, if there is to be one."""
        if self._dispatcher.has_failed():  # the initializer raised, perhaps
            return
        try:
            with self._lock:
                if not self._stopped.is_set():
                    self._start_worker(index)
        except BaseException as error:  # noqa: BLE001 - the callers get it; the others are still watched
            said = f"a worker that had ended could not be replaced: {safe_text.text_of(error)}"
            self._dispatcher.fail_all(lambda: RuntimeError(said))

    def _on_death_at_start(self, exitcode: int) -> None:
        """A worker has died before it took a task: pause before the next one, or give up."""
        self._deaths_at_start += 1
        deaths, rounds = self._deaths_at_start, self._deaths_at_start // len(self.workers)
        if deaths > _DEATHS_AT_START * len(self.workers):
            said = (
                f"{deaths} workers in a row ended (the last with exit code {exitcode}) before they "
                "could take a task; see their output for the reason"
            )
            self._dispatcher.fail_all(lambda: RuntimeError(said))
        elif deaths > len(self.workers):
            self._stopped.wait(min(_BACK_OFF * 2**rounds, _LONGEST_BACK_OFF))

    # --------------------------------------------------------------------------------- cancelling

    @property
    def cancel_table(self) -> SharedCancelTable:
        """The tasks that must not be begun."""
        return self._status.cancel_table

    def cancel_running(self, tasks: set[int]) -> None:
        """End the workers that run one of *tasks* right now; they are replaced."""
        with self._lock:
            for index, worker in enumerate(self.workers):
                task = self._status.task(index)
                if worker is None or task is None or task not in tasks:
                    continue
                self._status.set_cancel_task(index, task)
                worker._popen._send_signal(_core.CANCEL_SIGNAL)
                self._terminating[index] = (task, Deadline(CANCEL_GRACE))
            if self._terminating:
                self._wakeup.set()

    def _next_kill_ms(self) -> int | None:
        """Return how long the watcher may sleep."""
        with self._lock:
            waits = [deadline.remaining_ms() for _, deadline in self._terminating.values()]
        return min((ms for ms in waits if ms is not None), default=None)

    def _kill_overdue(self) -> None:
        """Kill workers that did not follow the signal: each thread blocks it, or it was stopped."""
        with self._lock:
            for index, (task, deadline) in list(self._terminating.items()):
                worker = self.workers[index]
                if worker is None or self._status.task(index) != task:
                    del self._terminating[index]
                elif deadline.expired:
                    del self._terminating[index]
                    worker.kill()

    def snapshot(self) -> list[WorkerSnapshot]:
        """Return what the workers do at this moment."""
        workers = []
        with self._lock:
            for index, worker in enumerate(self.workers):
                if worker is not None:
                    status = self._status.read(index)
                    workers.append(
                        WorkerSnapshot(worker.name, worker.pid, status.task, status.started_ns)
                    )
        return workers

    # ------------------------------------------------------------------------------------------ end

    def stop_replacing(self) -> int:
        """Start no more workers; return how many there are."""
        self._stopped.set()  # first: the watcher may be in a pause
        with self._lock:
            return sum(worker is not None for worker in self.workers)

    @property
    def is_finished(self) -> bool:
        """Whether no worker is left, and there will be none."""
        return self._finished.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the last worker has ended, at most *timeout* seconds."""
        watcher = self._watcher
        if watcher is threading.current_thread():  # a callback, or the collector, ends the pool
            return
        if self._finished.wait(timeout) and watcher is not None:
            watcher.join()

    def end(self, timeout: float | None = TERMINATE_TIMEOUT) -> None:
        """End all workers; afterwards none is left.

        Each is asked to leave by a message. One with a task, or that is not set up yet, gets
        SIGTERM at once; any other one that does not take the message gets it soon. Whatever is
        there after *timeout* seconds is killed; None: nothing is.
        """
        deadline = Deadline(timeout)
        self._ended = True
        self.stop_replacing()
        if self._watcher is None:  # the start was interrupted: the workers there must be watched
            self._start_watcher()
        first_message = self._ask_to_leave()
        self._signal(signal.SIGTERM, self._takes_no_message)
        self.join(_LEAVE_GRACE if timeout is None else min(_LEAVE_GRACE, timeout))
        self._signal(signal.SIGTERM, lambda index: not self._took(index, first_message))
        self.join(deadline.remaining())
        if not self.is_finished:
            self._signal(signal.SIGKILL)
            self.join()

    def _ask_to_leave(self) -> int:
        """Have each worker leave before its next task; return the number of the first message."""
        self.cancel_table.end()
        numbers = []
        try:
            for _ in self.workers:  # wakes those that wait for a task
                numbers.append(self._tasks.send(None, STOP, 0))
        except MemoryError as error:  # then SIGTERM alone asks them
            log.debug("no memory for a message to the workers: %s", error)
        return numbers[0] if numbers else NO_TASK

    def _takes_no_message(self, index: int) -> bool:
        """Whether worker *index* is being set up, or has a task."""
        task = self._status.task(index)
        busy = task is not None and self._dispatcher.is_open(task)
        return busy or not self._status.is_ready(index)

    def _took(self, index: int, message: int) -> bool:
        """Whether worker *index* has received that message, or a later one."""
        task = self._status.task(index)
        return task is not None and bool(task >= message)

    def _signal(self, number: int, is_meant: Callable[[int], bool] = lambda index: True) -> None:
        """Send a signal to those workers that are meant; SIGTERM to each once only.

        A second SIGTERM would interrupt the handler of the first. A worker that was stopped is
        continued, so that it can follow.
        """
        for index, worker in enumerate(list(self.workers)):
            popen = None if worker is None else worker._popen
            if popen is None or not is_meant(index):  # it has ended, and the watcher knows by now
                continue
            if number == signal.SIGTERM:
                if popen.pid in self._signalled:
                    continue
                self._signalled.add(popen.pid)
            popen._send_signal(number)
            popen._send_signal(signal.SIGCONT)
