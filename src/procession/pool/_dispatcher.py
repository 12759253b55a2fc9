"""The dispatcher: which job waits for which task, and which thread receives.

Idea: tasks are sent by number; each result comes back with its task's number and is given to the
job that waits for it. There is no thread that receives all the time. Of the threads that wait for
results one *leads*: it receives from the channel and hands the results out, to all jobs; when its
own wait is over the next one leads, and the others *follow*.

Invariant: each number that was sent is in `_open` until its job was told its end: the result, the
exception, the loss, or that it was cancelled; a lost task that may run again gets a new number
instead. The message that a cancelled task has ended comes later and is for no job; until then its
number is in `_cancelled_unfinished`. Only the thread that holds `lock` touches jobs and these
collections.

Layer: pool. It knows no processes: the channels may as well be those of threads.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty
from typing import Any

from .._base.deadline import Deadline
from .._pickling import core_hooks
from . import _callbacks, _protocols, _remote_errors, _time_limit
from ._functions import SharedFunction
from ._protocols import (
    BackloggedJob,
    CancellableJob,
    CancelTable,
    Channel,
    Job,
    Message,
    MultiTaskJob,
    SingleTaskJob,
    UnsentJob,
)
from ._stats import PoolStats, WorkerSnapshot

core_hooks.give()
core_hooks.load_queue_errors()

_BATCH = 256


@dataclass(frozen=True, slots=True)
class _Retry:
    """What it takes to send a task again, *left* more times."""

    function: SharedFunction
    task: Any
    left: int


class Dispatcher:
    """Sends tasks and hands out their results.

    Args:
        tasks: the channel from which workers receive tasks.
        results: the channel into which they put results.

    Attributes:
        unsent_jobs: jobs whose items will all be sent; they are kept alive until then.
        backlogged_jobs: jobs that send more items when their results are taken.
        cancel_table: tells workers which tasks not to begin; the pool sets it.
        cancel_running: ends the workers that run certain tasks; the pool sets it.
    """

    cancel_table: CancelTable
    cancel_running: Callable[[set[int]], object]

    def __init__(self, tasks: Channel, results: Channel):
        self.unsent_jobs: set[UnsentJob] = set()
        self.backlogged_jobs: weakref.WeakSet[BackloggedJob] = weakref.WeakSet()
        self.lock = threading.RLock()
        self._tasks = tasks
        self._results = results
        self._open: dict[int, Job] = {}
        self._retries: dict[int, _Retry] = {}
        self._cancelled_unfinished: set[int] = set()
        self._counts = [0] * _protocols.RESULT_KINDS
        self._retried = 0
        self.receiver: threading.Thread | None = None
        self._inbox: list[Message] = []
        self._leading = threading.Lock()
        self._turn = threading.Condition()
        self._followers = 0
        self._last_unsent_number = 0
        self._failure: Callable[[], BaseException] | None = None

    # -------------------------------------------------------------------------------------- sending

    def send(
        self,
        job: MultiTaskJob,
        function: SharedFunction,
        tasks: list[Any],
        ranges: list[tuple[int, int]],
        retries: int = 0,
    ) -> None:
        """Send *tasks*, which are for *ranges* of the items of *job*. Locked by the caller.

        Args:
            retries: how often each may run again after the loss of its worker.
        Raises: nothing; a task that cannot be pickled fails with that error, the others are sent.
        """
        self.check()
        start = 0
        while start < len(tasks):
            rest = tasks[start:] if start else tasks
            first, count, error = self._tasks.send_batch(rest, function.serial, function.offset)
            if count:
                numbers = range(first, first + count)
                job.add_tasks(first, ranges[start : start + count])
                self._open.update(dict.fromkeys(numbers, job))
                if retries:
                    again = (_Retry(function, task, retries) for task in rest)
                    self._retries.update(zip(numbers, again, strict=False))
            start += count
            if error is not None:
                self._fail_unsent(job, ranges[start], error)
                start += 1
        self.run_callback(job)

    def send_one(
        self, job: SingleTaskJob, function: SharedFunction, task: Any, retries: int = 0
    ) -> None:
        """Send the only task of *job*. Locked by the caller.

        Raises: what pickling the task raises.
        """
        self.check()
        number = self._tasks.send(task, function.serial, function.offset)
        self._open[number] = job
        job.number = number
        if retries:
            self._retries[number] = _Retry(function, task, retries)

    def _send_again(self, job: Job, number: int, retry: _Retry) -> bool:
        """Send a lost task once more; False when it cannot be."""
        if self._failure is not None:
            return False
        function = retry.function
        try:
            new = self._tasks.send(retry.task, function.serial, function.offset)
        # It was pickled before: there is no memory, or it has changed since.
        except (Exception, SystemExit):  # noqa: BLE001 - the loss is told instead
            return False
        self._open[new] = job
        if retry.left > 1:
            self._retries[new] = _Retry(function, retry.task, retry.left - 1)
        job.resubmitted_as(number, new)
        self._retried += 1
        return True

    def _fail_unsent(self, job: MultiTaskJob, items: tuple[int, int], error: Exception) -> None:
        """Give a task that cannot be sent a number that no other task has, and end it."""
        self._last_unsent_number -= 1
        self._counts[_protocols.FAILED] += 1
        job.add_tasks(self._last_unsent_number, [items])
        job.set_outcome(self._last_unsent_number, False, error)

    def run_callback(self, job: Job) -> None:
        """Do what is to be done now that *job* has got further."""
        callback = job.pop_callback()
        if callback is not None:
            _callbacks.run([callback])

    def stop_workers(self, count: int) -> None:
        """Let *count* workers end after the tasks that were sent before."""
        for _ in range(count):
            self._tasks.send(None, _protocols.STOP, 0)

    def check(self) -> None:
        """Raise the reason if nothing can be sent any more."""
        if self._failure is not None:
            raise self._failure()

    # ------------------------------------------------------------------------------------ receiving

    def wait_until(self, done: Callable[[], bool], deadline: Deadline) -> None:
        """Wait until *done* is true or the time is up, handing out results meanwhile."""
        while not done():
            if self._leading.acquire(blocking=False):
                try:
                    self._lead(done, deadline)
                finally:
                    self._leading.release()
                    self.wake_followers()
            else:
                self._follow(done, deadline)
            if deadline.expired:
                return

    def start_receiver(self) -> None:
        """Have a thread hand out results while no caller waits: for callbacks and event loops."""
        with self.lock:
            if self.receiver is None:
                self.receiver = threading.Thread(
                    target=self.wait_until,
                    args=(self.has_failed, Deadline(None)),
                    name="procession-callbacks",
                    daemon=True,
                )
                self.receiver.start()

    def receive_available(self) -> None:
        """Hand out the results that are there, unless another thread does so already."""
        if self._leading.acquire(blocking=False):
            try:
                self._lead(lambda: False, Deadline(0))
            finally:
                self._leading.release()
                self.wake_followers()

    def _lead(self, done: Callable[[], bool], deadline: Deadline) -> None:
        self._empty_inbox()  # of what an interrupted leader left
        while not done():
            try:
                self._results.receive_batch(self._inbox, _BATCH, deadline.remaining())
            except Empty:
                return
            self._empty_inbox()
            if self._followers:
                self.wake_followers()

    def _follow(self, done: Callable[[], bool], deadline: Deadline) -> None:
        with self._turn:
            self._followers += 1
            try:
                if not done() and self._leading.locked():
                    self._turn.wait(deadline.remaining())
            finally:
                self._followers -= 1

    def wake(self) -> None:
        """Let each thread that waits look again, the leader included."""
        self._results.send(None, _protocols.NO_TASK, _protocols.OK)
        self.wake_followers()

    def wake_followers(self) -> None:
        """Let each thread look again that waits while another leads."""
        with self._turn:
            self._turn.notify_all()

    def _empty_inbox(self) -> None:
        """Hand out what was received. A message stays in the inbox until that is done."""
        callbacks: list[Callable[[], object]] = []
        inbox = self._inbox
        with self.lock:
            done = 0
            try:
                for message in inbox:
                    self._hand_out(message, callbacks)
                    done += 1
            finally:
                del inbox[:done]
        _callbacks.run(callbacks)

    def _hand_out(self, message: Message, callbacks: list[Callable[[], object]]) -> None:
        _, number, kind, value, error = message
        if kind == _protocols.SETUP_FAILED:
            self.fail_all(lambda: value if error is None else error)
            return
        job = self._open.pop(number, None)
        if job is None:  # it was cancelled; or lost before; or this is a loss after the result
            self._forget_cancelled(number)
            return
        retry = self._retries.pop(number, None) if self._retries else None
        if kind == _protocols.LOST:
            if retry is not None and self._send_again(job, number, retry):
                return
            value = _remote_errors.worker_lost_error(value, job.describe(number))
        elif kind == _protocols.TIMED_OUT:
            value = _time_limit.error(job.describe(number), value)
        elif error is not None:
            value = error
        ok = kind == _protocols.OK and error is None
        self._counts[kind if ok or kind != _protocols.OK else _protocols.FAILED] += 1
        job.set_outcome(number, ok, value)
        callback = job.pop_callback()
        if callback is not None:
            callbacks.append(callback)

    # ----------------------------------------------------------------------------------- cancelling

    def cancel(self, job: CancellableJob, numbers: list[int], error: BaseException) -> bool:
        """End those of the tasks *numbers* of *job* with *error* that can be; whether any could."""
        with self.lock:
            ended = {n for n in numbers if n in self._open and self.cancel_table.add(n)}
            self._cancelled_unfinished |= ended
            self._counts[_protocols.CANCELLED] += len(ended)
            for number in ended:
                self._set_cancelled(job, number, error)
            callback = job.pop_callback() if ended else None
        if not ended:
            return False
        self.cancel_running(ended)
        if callback is not None:
            _callbacks.run([callback])
        self.wake()
        return True

    def _set_cancelled(self, job: CancellableJob, number: int, error: BaseException) -> None:
        del self._open[number]
        self._retries.pop(number, None)
        job.set_cancelled(number, error)

    def is_open(self, number: int) -> bool:
        """Whether that task was sent and its end is not known yet."""
        return number in self._open

    def has_begun(self, number: int) -> bool:
        """Whether a worker has received that task."""
        return number < self._tasks.got_count

    def _forget_cancelled(self, number: int) -> None:
        """A message says that task *number* has ended; its job was told before."""
        if number in self._cancelled_unfinished:
            self._cancelled_unfinished.discard(number)
            self.cancel_table.remove(number)

    def stats(self, workers: list[WorkerSnapshot]) -> PoolStats:
        """Return what there is to say at this moment, of *workers* too."""
        self.receive_available()
        with self.lock:
            counts = self._counts
            return PoolStats(
                done=counts[_protocols.OK],
                failed=counts[_protocols.FAILED],
                lost=counts[_protocols.LOST],
                retried=self._retried,
                cancelled=counts[_protocols.CANCELLED],
                timed_out=counts[_protocols.TIMED_OUT],
                queued=self._tasks.qsize(),
                workers=[each.to_stats(self._describe(each.task)) for each in workers],
            )

    def _describe(self, number: int | None) -> str | None:
        job = None if number is None else self._open.get(number)
        return None if job is None or number is None else job.describe(number)

    # ------------------------------------------------------------------------------------------ end

    def fail_all(self, error: Callable[[], BaseException]) -> None:
        """Each open task ends with *error()*, and so does each attempt to send another."""
        callbacks = []
        with self.lock:
            self._failure = self._failure or error
            self._retries.clear()
            self._cancelled_unfinished.clear()
            while self._open:
                number, job = self._open.popitem()
                job.set_outcome(number, False, error())
                callbacks.append(job.pop_callback())
            for unsent in {*self.unsent_jobs, *self.backlogged_jobs}:
                unsent.give_up(error())
                callbacks.append(unsent.pop_callback())
        try:
            _callbacks.run([callback for callback in callbacks if callback is not None])
        finally:
            self.wake()

    def close(self) -> None:
        """Release what is kept open, after `fail_all`: here nothing."""

    def drain(self) -> None:
        """Send all items that are left, even if no caller takes their results."""
        for job in list(self.backlogged_jobs):
            job.drain()

    def is_idle(self) -> bool:
        """Whether no task is open or still to be sent, and each cancelled one has ended."""
        return not self._open and not self.unsent_jobs and not self._cancelled_unfinished

    def has_failed(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._failure is not None
