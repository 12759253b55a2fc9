"""The worker processes of a pool: started, watched, replaced, ended.

Idea: each worker has a seat, where the number of its latest task stands: see `seats`. One thread
sleeps on the sentinels of all workers. When a worker has ended, the thread looks at its seat and
puts "lost" for that task into the results channel, behind whatever the worker had sent before, and
gives the seat to a new worker.

Invariant: a task that a dead worker had taken is followed by its result or by "lost", in this order
if by both; a task it had not taken yet is still in the channel. Whatever interrupts a start or an
end (Ctrl-C does), `end` may be called (again), and leaves nobody.

Layer: pool.
"""

from __future__ import annotations

import itertools
import os
import select
import signal
import threading
from collections.abc import Callable
from typing import Any

from .. import _core
from .._base import log, runtime
from .._base.deadline import Deadline
from .._launch import sigint_mask
from . import _losses, _trace_spans
from ._cancel_table import Cancelled
from ._dispatcher import Dispatcher
from ._inner_threads import InnerThreads
from ._options import Options
from ._stats import Seen
from ._worker import LOST, TIMED_OUT, Duty, main
from ._worker_status import Look, Seats

PATIENCE = 0.3
"""Seconds that a worker gets to end for a cancelled task before it is killed whatever it does."""

GRACE = 0.4
"""Seconds that workers get to end after SIGTERM before they are killed."""

_DEATHS_AT_START = 5
"""So many deaths in a row, for each worker, before any task was taken: then the pool gives up."""

_BACK_OFF, _LONGEST_BACK_OFF = 0.05, 1.0  # seconds


class Crew:
    """The workers of one pool.

    Args:
        start_process: makes and starts a daemon process that runs a function as worker *number*.
        size: how many workers, 1 or more.
        tasks, results: the pool's channels.
        dispatcher: is told when nothing will work any more.
        options: what the pool's owner asks for.
        noted: where it is noted when tasks began and ended; None if nowhere.

    There is no worker before `start`.
    """

    def __init__(
        self,
        start_process: Callable[..., Any],
        size: int,
        tasks: _core.TaskChannel,
        results: _core.TaskChannel,
        dispatcher: Dispatcher,
        options: Options,
        noted: _core.TaskChannel | None = None,
    ):
        self._start_process = start_process
        self._tasks, self._results = tasks, results
        self._dispatcher = dispatcher
        self._options = options
        self._seats = Seats(size)
        self._noted = noted
        self._numbers = itertools.count(1)
        self.workers: list[Any] = [None] * size
        self._number_of = [0] * size  # by seat: the worker's
        self._dismissed = threading.Event()  # nobody is replaced any more
        self._ended = False  # by `end`: what workers had is not lost with them, but given up
        self._deaths_at_start = 0
        self._lock = threading.RLock()  # the collector may end a forgotten pool anywhere
        self._doomed: dict[int, tuple[int, Deadline]] = {}  # by seat: a claim, until when
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._part = threading.Lock()  # of the watcher: taken by one thread, for good
        self._watcher: threading.Thread | None = None
        self._over = threading.Event()

    def start(self) -> None:
        """Start the workers, and the thread that watches them."""
        try:
            for seat in range(len(self.workers)):
                self._hire(seat)
        except Exception:
            self._dismiss_unwatched()
            raise
        self._start_watcher()

    def _dismiss_unwatched(self) -> None:
        """A worker could not be started: those that were must not stay behind."""
        hired = [worker for worker in self.workers if worker is not None]
        self.workers = [None] * len(self.workers)
        for worker in hired:
            worker.terminate()
        for worker in hired:
            worker.join()

    def _start_watcher(self) -> None:
        """Start one unless there is one; may be called again when it was interrupted."""
        with sigint_mask.blocked():
            threading.Thread(target=self._watch, name="procession-pool", daemon=True).start()

    def _hire(self, seat: int) -> None:
        self._seats.clear(seat)
        number = next(self._numbers)
        block = self._seats.block
        inner = InnerThreads(self._options.threads)
        channels = self._tasks, self._results, self._noted
        sharers = runtime.cpu_sharers * len(self.workers)
        duty = Duty(inner, *channels, block, seat, number, sharers, self._options)
        self._number_of[seat] = number
        with sigint_mask.blocked():  # in the worker, until it knows what to do with them
            self.workers[seat] = self._start_process(number, main, duty)

    # ------------------------------------------------------------------------------------- watching

    def _watch(self) -> None:
        """The thread: until no worker is left that would have to be watched."""
        if not self._part.acquire(blocking=False):
            return
        self._watcher = threading.current_thread()
        try:
            self._watch_all()
        finally:
            with self._lock:
                os.close(self._bell)
                self._bell = -1
            self._over.set()

    def _watch_all(self) -> None:
        while alive := {w.sentinel: seat for seat, w in enumerate(self.workers) if w is not None}:
            poller = select.poll()
            poller.register(self._bell, select.POLLIN)
            for sentinel in alive:
                poller.register(sentinel, select.POLLIN)
            for ready, _ in poller.poll(self._patience_ms()):
                if ready == self._bell:
                    os.eventfd_read(self._bell)
                else:
                    self._bury(alive[ready])
            self._end_the_doomed()

    def _bury(self, seat: int) -> None:
        worker = self.workers[seat]
        worker.join()
        exitcode, last = worker.exitcode, self._seats.look(seat)
        log.debug("worker %s ended with exit code %s", worker.name, exitcode)
        had_begun = last.claim and self._tasks.got_count >= last.claim
        if had_begun and self._noted is not None:
            _trace_spans.put(self._noted, last.claim - 1, self._number_of[seat], last.since)
        if had_begun and not self._ended:
            if last.limit and exitcode == -signal.SIGKILL:
                self._results.put_tagged(_too_long(worker, last), last.claim - 1, TIMED_OUT)
            else:
                self._results.put_tagged(_losses.of(worker), last.claim - 1, LOST)
        with self._lock:  # nobody sees a closed worker
            self.workers[seat] = None
            worker.close()
            self._doomed.pop(seat, None)
        if last.claim or exitcode == 0:
            self._deaths_at_start = 0
        else:
            self._died_at_start(exitcode)
        self._replace(seat)

    def _replace(self, seat: int) -> None:
        """Give *seat* to a new worker, if there is to be one."""
        if self._dispatcher.is_over():  # the initializer raised, perhaps
            return
        try:
            with self._lock:
                if not self._dismissed.is_set():
                    self._hire(seat)
        except Exception as error:  # noqa: BLE001 - the callers get it; the others are still watched
            said = f"a worker that had ended could not be replaced: {error!r}"
            self._dispatcher.fail_all(lambda: RuntimeError(said))

    def _died_at_start(self, exitcode: int) -> None:
        """A worker has, before it took a task. Pause before the next one; or give up."""
        self._deaths_at_start += 1
        deaths, rounds = self._deaths_at_start, self._deaths_at_start // len(self.workers)
        if deaths > _DEATHS_AT_START * len(self.workers):
            said = (
                f"{deaths} workers in a row ended (the last with exit code {exitcode}) before they "
                "could take a task; see their output for the reason"
            )
            self._dispatcher.fail_all(lambda: RuntimeError(said))
        elif deaths > len(self.workers):
            self._dismissed.wait(min(_BACK_OFF * 2**rounds, _LONGEST_BACK_OFF))

    # ------------------------------------------------------------------------ looking, cancelling

    @property
    def cancelled(self) -> Cancelled:
        """The tasks that must not be begun."""
        return self._seats.cancelled

    def interrupt(self, numbers: set[int]) -> None:
        """End the workers that do one of these tasks right now; they are replaced."""
        with self._lock:
            for seat, worker in enumerate(self.workers):
                claim = self._seats.claim(seat)
                if worker is None or claim - 1 not in numbers:
                    continue
                self._seats.set_victim(seat, claim)
                worker._popen._send_signal(_core.END_SIGNAL)
                self._doomed[seat] = (claim, Deadline(PATIENCE))
            if self._doomed and self._bell >= 0:
                os.eventfd_write(self._bell, 1)

    def _patience_ms(self) -> int | None:
        """How long the watcher may sleep."""
        with self._lock:
            waits = [deadline.remaining_ms() for _, deadline in self._doomed.values()]
        return min((ms for ms in waits if ms is not None), default=None)

    def _end_the_doomed(self) -> None:
        """Kill who did not follow the signal: all of its threads block it, or it was stopped."""
        with self._lock:
            for seat, (claim, deadline) in list(self._doomed.items()):
                worker = self.workers[seat]
                if worker is None or self._seats.claim(seat) != claim:
                    del self._doomed[seat]
                elif deadline.expired:
                    del self._doomed[seat]
                    worker.kill()

    def seen(self) -> list[Seen]:
        """The workers as they are now."""
        seen = []
        with self._lock:
            for seat, worker in enumerate(self.workers):
                if worker is not None:
                    last = self._seats.look(seat)
                    number = last.claim - 1 if last.claim else None
                    seen.append(Seen(worker.name, worker.pid, number, last.since))
        return seen

    # ------------------------------------------------------------------------------------------ end

    def dismiss(self) -> int:
        """No worker is replaced any more; how many there are."""
        self._dismissed.set()  # first: the watcher may be in a pause
        with self._lock:
            return sum(worker is not None for worker in self.workers)

    @property
    def is_over(self) -> bool:
        """Whether no worker is left, and there will be none."""
        return self._over.is_set()

    def join(self, timeout: float | None = None) -> None:
        """Wait until the last worker has ended, at most *timeout* seconds."""
        watcher = self._watcher
        if watcher is threading.current_thread():  # a callback, or the collector, ends the pool
            return
        if self._over.wait(timeout) and watcher is not None:
            watcher.join()

    def end(self) -> None:
        """End all workers now, whatever they do; afterwards none is left."""
        self._ended = True
        self.dismiss()
        if self._watcher is None:  # the start was interrupted: who is there has to be buried
            self._start_watcher()
        self._signal(signal.SIGTERM)
        self.join(GRACE)
        if not self.is_over:
            self._signal(signal.SIGKILL)
            self.join()

    def _signal(self, number: int) -> None:
        for worker in list(self.workers):
            if worker is not None:
                try:
                    os.kill(worker.pid, number)
                except (ProcessLookupError, ValueError):
                    continue  # it has ended, and the watcher knows by now


def _too_long(worker: Any, last: Look) -> str:
    """What happened to *worker*, whose task had a limit, for the message to the caller."""
    return (
        f"took longer than its limit of {last.limit:g} s; worker {worker.name} (pid {worker.pid}) "
        "was ended for it and is replaced"
    )
