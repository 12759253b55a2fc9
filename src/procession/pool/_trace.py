"""A timeline of a pool's tasks: a file for Perfetto or chrome://tracing.

Idea: when a worker was at which task is sent through a channel of its own (see `_trace_spans`).
What the task was and how it ended the dispatcher knows. Both are joined by the task's number when
its job is told the end. A pool without a trace has none of this: it has the plain dispatcher, and
its workers use their channels directly.

Invariant: the span of a task is in its channel before the task's result is. The file is whole JSON
after each write: a write begins at the closing brackets of the one before, and ends with new ones.
So whatever becomes of workers it is whole; only a kill of the writing process itself in a write
cuts it short.

Source: the Trace Event Format of Chromium, as a JSON object; times in microseconds.

Layer: pool.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Callable
from queue import Empty
from time import monotonic_ns
from typing import Any

from .. import _core
from . import _protocols
from ._dispatcher import Dispatcher
from ._protocols import NO_TASK, Channel, Message
from ._trace_spans import HELLO

_OUTCOMES = {
    _protocols.OK: "done",
    _protocols.FAILED: "failed",
    _protocols.LOST: "lost with its worker",
    _protocols.TIMED_OUT: "timed out",
    _protocols.CANCELLED: "cancelled",
}
_ENDED_WITH_THE_POOL = "ended with the pool"

_OPENING = b'{"displayTimeUnit": "ms", "traceEvents": [\n'
_CLOSING = b"\n]}\n"
_MOST_LINES, _LONGEST_NS = 1000, 500_000_000  # until what is known is written
_BATCH = 1024
_NS_PER_US = 1000


class Trace:
    """The file. The dispatcher is locked by the caller of each method.

    Args:
        path: of the file; what was there is replaced.
        name: of the pool.
    Raises:
        OSError: it cannot be written.
    """

    def __init__(self, path: str, name: str):
        self._path = path
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o666)
        self.channel = _core.TaskChannel()
        self._pid = os.getpid()
        self._spans: dict[int, tuple[int, int, int]] = {}  # by task: worker, begin, end
        self._free_at: dict[int, int] = {}  # by worker: when its latest task ended
        self._lines: list[str] = []
        self._end = 0  # where the closing brackets are
        self._add({"ph": "M", "name": "process_name", "args": {"name": name}}, 0)
        self._append(_OPENING)

    def add_task(self, task: int, name: str, what: str, outcome: str) -> None:
        """Add *task*, a call of the function *name* that has ended, if a worker had begun it."""
        span = self.pop_span(task)
        if span is None:
            return
        number, began, ended = span
        began = max(
            began, self._free_at.get(number, 0)
        )  # a killed worker's status may be an old one
        ended = self._free_at[number] = max(began, ended)
        event = {
            "ph": "X",
            "name": name,
            "cat": "task",
            "ts": began / _NS_PER_US,
            "dur": (ended - began) / _NS_PER_US,
            "args": {"task": what, "number": task, "outcome": outcome},
        }
        self._add(event, number)
        if len(self._lines) >= _MOST_LINES or ended >= self._due:
            self._write()

    def pop_span(self, task: int) -> tuple[int, int, int] | None:
        """Return the span of *task*, once; None if no worker has begun the task."""
        if task not in self._spans:
            self._receive()
        return self._spans.pop(task, None)

    def _receive(self) -> None:
        inbox: list[Message] = []
        try:
            while True:
                self.channel.receive_batch(inbox, _BATCH, 0)
        except Empty:
            pass  # that was all
        for _, task, number, value, _ in inbox:
            if task == HELLO:
                self._add_worker(number, *value)
            else:
                self._spans[task] = (number, *value)

    def _add_worker(self, number: int, name: str, pid: int) -> None:
        self._add({"ph": "M", "name": "thread_name", "args": {"name": f"{name} ({pid})"}}, number)
        self._add({"ph": "M", "name": "thread_sort_index", "args": {"sort_index": number}}, number)

    def _add(self, event: dict[str, object], number: int) -> None:
        self._lines.append(json.dumps({**event, "pid": self._pid, "tid": number}))

    def _write(self) -> None:
        if self._fd < 0 or not self._lines:
            return
        try:
            self._append(b",\n")
        except OSError as error:
            self._give_up(error)

    def _append(self, separator: bytes) -> None:
        data = separator + ",\n".join(self._lines).encode()
        self._lines.clear()
        _write_all(self._fd, data + _CLOSING, self._end)
        self._end += len(data)
        self._due = monotonic_ns() + _LONGEST_NS

    def _give_up(self, error: OSError) -> None:
        """Warn that the trace ends here; the tasks go on."""
        os.close(self._fd)
        self._fd = -1
        said = f"the trace {self._path} ends here, at {time.ctime()}: {error}"
        warnings.warn(said, RuntimeWarning, stacklevel=2)

    def close(self) -> None:
        """Write what is known, and close the file."""
        self._receive()
        self._write()
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _write_all(fd: int, data: bytes, offset: int) -> None:
    while data:
        written = os.pwrite(fd, data, offset)
        data, offset = data[written:], offset + written


class TracingDispatcher(Dispatcher):
    """A dispatcher that tells a trace how tasks end. Args: as `Dispatcher`, and the trace."""

    def __init__(self, tasks: Channel, results: Channel, trace: Trace):
        super().__init__(tasks, results)
        self._trace = trace
        self._cancelled: dict[int, tuple[str, str]] = {}  # by task: its function, what it was

    def _hand_out(self, message: Message, callbacks: list[Callable[[], object]]) -> None:
        _, number, kind, _, error = message
        job = self._open.get(number)
        if kind in _OUTCOMES and number != NO_TASK:
            if job is not None:
                failed = kind == _protocols.OK and error is not None
                outcome = _OUTCOMES[_protocols.FAILED if failed else kind]
                self._trace.add_task(number, job.name, job.describe(number), outcome)
            elif number in self._cancelled:
                self._trace.add_task(number, *self._cancelled.pop(number), "cancelled")
            else:
                self._trace.pop_span(number)
        super()._hand_out(message, callbacks)

    def _set_cancelled(self, job: Any, number: int, error: BaseException) -> None:
        self._cancelled[number] = job.name, job.describe(number)
        super()._set_cancelled(job, number, error)

    def fail_all(self, error: Callable[[], BaseException]) -> None:
        """Add the tasks that end now to the trace; then as `Dispatcher`."""
        with self.lock:
            for number, job in self._open.items():
                what = job.describe(number)
                self._trace.add_task(number, job.name, what, _ENDED_WITH_THE_POOL)
            for number, cancelled in self._cancelled.items():
                self._trace.add_task(number, *cancelled, "cancelled")
            self._cancelled.clear()
        super().fail_all(error)

    def close(self) -> None:
        """Close the trace."""
        with self.lock:
            self._trace.close()
