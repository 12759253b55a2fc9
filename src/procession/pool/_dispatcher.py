"""Who waits for which task, and who receives.

Idea: tasks go out by number; what comes back by number is given to the job that waits for it. There
is no thread that receives all the time. Of the threads that wait for results one *leads*: it takes
results off the channel and hands them out, to all jobs; when its own wait is over the next one
leads.

Invariant: each number that was sent is in `_open` until its end was told to its job: its result,
its exception, its loss, that it was cancelled; a lost task that may run again gets a new number
instead. What becomes of a cancelled task later is told to nobody; until then its number is in
`_withdrawn`. Only the thread that holds `lock` touches jobs and these books.

Layer: pool. Knows no processes: the channels may as well be those of threads.
"""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable
from dataclasses import dataclass
from queue import Empty
from typing import Any

from .._base import errors
from .._base.deadline import Deadline
from . import _losses, _worker
from ._functions import Program
from ._protocols import Cancellable, Cancellations, Channel, Fed, Job, Message, Placed, Single
from ._stats import PoolStats, Seen

_BATCH = 256

NOBODY = 2**64 - 1
"""The number of no task: a result for it wakes the leader, no more."""


@dataclass(frozen=True, slots=True)
class _Copy:
    """What it takes to send a task again, *left* more times."""

    program: Program
    task: Any
    left: int


class Dispatcher:
    """Sends tasks and gives out what becomes of them.

    Args:
        tasks: where workers take tasks from.
        results: where their results come from.

    Attributes:
        fed: jobs with items that will go out; they live until then.
        feeds: jobs with items that go out if somebody takes results.
        cancelled: where workers are told what not to begin; set by whoever has the workers.
        interrupt: ends the workers that do certain tasks; likewise.
    """

    cancelled: Cancellations
    interrupt: Callable[[set[int]], object]

    def __init__(self, tasks: Channel, results: Channel):
        self.fed: set[Fed] = set()
        self._withdrawn: set[int] = set()
        self._ends = [0] * _worker.KINDS
        self._retried = 0
        self.lock = threading.RLock()
        self._tasks = tasks
        self._results = results
        self._open: dict[int, Job] = {}
        self._copies: dict[int, _Copy] = {}
        self.receiver: threading.Thread | None = None
        self._inbox: list[Message] = []
        self._leading = threading.Lock()
        self._turn = threading.Condition()
        self._followers = 0
        self._unsent = 0
        self._failure: Callable[[], BaseException] | None = None
        self.feeds: weakref.WeakSet[Fed] = weakref.WeakSet()

    # -------------------------------------------------------------------------------------- sending

    def send(
        self,
        job: Placed,
        program: Program,
        tasks: list[Any],
        pieces: list[tuple[int, int]],
        retries: int = 0,
    ) -> None:
        """Send *tasks*, which are *pieces* of *job*. Locked by the caller.

        Args:
            retries: how often each may run again after the loss of its worker.
        Raises: nothing; a task that cannot be pickled fails with that error, the others go out.
        """
        self.check()
        start = 0
        while start < len(tasks):
            rest = tasks[start:] if start else tasks
            first, count, error = self._tasks.put_batch(rest, program.serial, program.offset)
            if count:
                numbers = range(first, first + count)
                job.place(first, pieces[start : start + count])
                self._open.update(dict.fromkeys(numbers, job))
                if retries:
                    copies = (_Copy(program, task, retries) for task in rest)
                    self._copies.update(zip(numbers, copies, strict=False))
            start += count
            if error is not None:
                self._fail_unsent(job, pieces[start], error)
                start += 1
        self.call_back(job)

    def send_one(self, job: Single, program: Program, task: Any, retries: int = 0) -> None:
        """Send the only task of *job*. Locked by the caller.

        Raises: what pickling the task raises.
        """
        self.check()
        number = self._tasks.put_tagged(task, program.serial, program.offset)
        self._open[number] = job
        job.number = number
        if retries:
            self._copies[number] = _Copy(program, task, retries)

    def _send_again(self, job: Job, number: int, copy: _Copy) -> bool:
        """Send a lost task once more; False when it cannot be."""
        if self._failure is not None:
            return False
        program = copy.program
        try:
            new = self._tasks.put_tagged(copy.task, program.serial, program.offset)
        except Exception:  # noqa: BLE001 - it was pickled before: no memory, or it has changed since
            return False
        self._open[new] = job
        if copy.left > 1:
            self._copies[new] = _Copy(program, copy.task, copy.left - 1)
        job.renumber(number, new)
        self._retried += 1
        return True

    def _fail_unsent(self, job: Placed, piece: tuple[int, int], error: Exception) -> None:
        """A task that never got a number takes one that no task can have."""
        self._unsent -= 1
        self._ends[_worker.FAILED] += 1
        job.place(self._unsent, [piece])
        job.take(self._unsent, False, error)

    def call_back(self, job: Job) -> None:
        """Do what is to be done now that *job* has got further."""
        callback = job.over()
        if callback is not None:
            _run(callback)

    def stop_workers(self, count: int) -> None:
        """Let *count* workers end after the tasks that were sent before."""
        for _ in range(count):
            self._tasks.put_tagged(None, _worker.STOP, 0)

    def check(self) -> None:
        """Raise why nothing can be sent any more, if so."""
        if self._failure is not None:
            raise self._failure()

    # ------------------------------------------------------------------------------------ receiving

    def wait_until(self, done: Callable[[], bool], deadline: Deadline) -> None:
        """Wait until *done* is true or the time is up, giving out results meanwhile."""
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

    def receive_from_now_on(self) -> None:
        """Have a thread give out results though nobody waits: for callbacks and event loops."""
        with self.lock:
            if self.receiver is None:
                self.receiver = threading.Thread(
                    target=self.wait_until,
                    args=(self.is_over, Deadline(None)),
                    name="procession-callbacks",
                    daemon=True,
                )
                self.receiver.start()

    def receive_what_is_there(self) -> None:
        """Give out the results that are there, unless somebody else does so already."""
        if self._leading.acquire(blocking=False):
            try:
                self._lead(lambda: False, Deadline(0))
            finally:
                self._leading.release()
                self.wake_followers()

    def _lead(self, done: Callable[[], bool], deadline: Deadline) -> None:
        self._give_out()  # what an interrupted leader left
        while not done():
            try:
                self._results.receive_into(self._inbox, _BATCH, deadline.remaining())
            except Empty:
                return
            self._give_out()
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
        """Let everybody who waits look again, the leader included."""
        self._results.put_tagged(None, NOBODY, _worker.OK)
        self.wake_followers()

    def wake_followers(self) -> None:
        """Let those who wait for another's leading look again."""
        with self._turn:
            self._turn.notify_all()

    def _give_out(self) -> None:
        """Empty the inbox. A message stays in it until it was dealt with: see `_lead`."""
        callbacks: list[Callable[[], object]] = []
        inbox = self._inbox
        with self.lock:
            done = 0
            try:
                for message in inbox:
                    self._take(message, callbacks)
                    done += 1
            finally:
                del inbox[:done]
        for callback in callbacks:
            _run(callback)

    def _take(self, message: Message, callbacks: list[Callable[[], object]]) -> None:
        _, number, kind, value, error = message
        if kind == _worker.REFUSED:
            self.fail_all(lambda: error or value)
            return
        job = self._open.pop(number, None)
        if job is None:  # lost before, or a loss after the result
            self._settle(number)
            return
        copy = self._copies.pop(number, None) if self._copies else None
        if kind == _worker.LOST:
            if copy is not None and self._send_again(job, number, copy):
                return
            value = _losses.lost(value, job.describe(number))
        elif kind == _worker.TIMED_OUT:
            value = errors.TimeoutError(f"{job.describe(number)} {value}")
        elif error is not None:
            value = error
        ok = kind == _worker.OK and error is None
        self._ends[kind if ok or kind != _worker.OK else _worker.FAILED] += 1
        job.take(number, ok, value)
        callback = job.over()
        if callback is not None:
            callbacks.append(callback)

    # ----------------------------------------------------------------------------------- cancelling

    def cancel(self, job: Cancellable, numbers: list[int], error: BaseException) -> bool:
        """End those of the tasks *numbers* of *job* with *error* that can be; whether any could."""
        with self.lock:
            gone = {n for n in numbers if n in self._open and self.cancelled.add(n)}
            self._withdrawn |= gone
            self._ends[_worker.CANCELLED] += len(gone)
            for number in gone:
                self._withdraw(job, number, error)
            callback = job.over() if gone else None
        if not gone:
            return False
        self.interrupt(gone)
        if callback is not None:
            _run(callback)
        self.wake()
        return True

    def _withdraw(self, job: Cancellable, number: int, error: BaseException) -> None:
        del self._open[number]
        self._copies.pop(number, None)
        job.withdraw(number, error)

    def has_begun(self, number: int) -> bool:
        """Whether a worker has taken that task."""
        return number < self._tasks.got_count

    def _settle(self, number: int) -> None:
        """A message about a task whose job knows already."""
        if number in self._withdrawn:
            self._withdrawn.discard(number)
            self.cancelled.settle(number)

    def stats(self, workers: list[Seen]) -> PoolStats:
        """What there is to say at this moment, of *workers* too."""
        self.receive_what_is_there()
        with self.lock:
            ends = self._ends
            return PoolStats(
                done=ends[_worker.OK],
                failed=ends[_worker.FAILED],
                lost=ends[_worker.LOST],
                retried=self._retried,
                cancelled=ends[_worker.CANCELLED],
                timed_out=ends[_worker.TIMED_OUT],
                queued=self._tasks.qsize(),
                workers=[each.with_task(self._describe(each.number)) for each in workers],
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
            self._copies.clear()
            self._withdrawn.clear()
            while self._open:
                number, job = self._open.popitem()
                job.take(number, False, error())
                callbacks.append(job.over())
            for fed in {*self.fed, *self.feeds}:
                fed.give_up(error())
                callbacks.append(fed.over())
        for callback in callbacks:
            if callback is not None:
                _run(callback)
        self.wake()

    def close(self) -> None:
        """Nothing will be told any more, and nothing is kept open."""

    def finish_feeding(self) -> None:
        """Have all go out that is left, though nobody may take its results."""
        for fed in list(self.feeds):
            fed.finish()

    def is_idle(self) -> bool:
        """Whether no task is open or still to be sent, nor any that was cancelled on its way."""
        return not self._open and not self.fed and not self._withdrawn

    def is_over(self) -> bool:
        """Whether nothing can be sent any more."""
        return self._failure is not None

    def is_open(self, number: int) -> bool:
        """Whether the end of that task has not been told yet."""
        return number in self._open


def _run(callback: Callable[[], object]) -> None:
    """A callback that raises is reported like a thread that ends so, and stops nothing."""
    try:
        callback()
    except Exception:  # noqa: BLE001 - it is the user's
        kind, value, tb = sys.exc_info()
        thread = threading.current_thread()
        assert kind is not None
        threading.excepthook(threading.ExceptHookArgs((kind, value, tb, thread)))
