"""The worker's half of a trace: when it was at which task.

Idea: a worker of a pool that is traced sends a span through a third channel, before each result:
when it began the task and when it ended it. For a task that ended with its worker the supervisor
sends the span. The first label of a message is the task's number, the second the worker's.

It is a module of its own because workers import it: the file and the dispatcher of a trace are in
`_trace`, which only the parent needs.

Invariant: the span of a task is in its channel before the task's result is in the other one.

Layer: pool.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from .. import _core
from .._base import runtime
from ._protocols import CANCELLED, Message

HELLO = 2**64 - 1
"""In place of a task's number: the worker sends its name and its process id."""


class SpanRecorder:
    """Stands between a worker and its channels, and sends a span for each task.

    Args:
        spans: the channel for the spans.
        number: the worker's.
        get_task, put_result: see `_worker.run_tasks`.
    """

    def __init__(
        self,
        spans: _core.TaskChannel,
        number: int,
        get_task: Callable[[float | None], Message],
        put_result: Callable[[Any, int, int], object],
    ):
        self._spans, self._number = spans, number
        self._get_task, self._put_result = get_task, put_result
        self._began_ns = 0
        spans.send((runtime.current_process().name, os.getpid()), HELLO, number)

    def get_task(self, timeout: float | None) -> Message:
        """Get a task, and note the time."""
        message = self._get_task(timeout)
        self._began_ns = monotonic_ns()
        return message

    def put_result(self, value: Any, task: int, kind: int) -> None:
        """Send the span of a task, unless it was not begun, and then the result."""
        if kind != CANCELLED:
            put_span(self._spans, task, self._number, self._began_ns)
        self._put_result(value, task, kind)


def put_span(spans: _core.TaskChannel, task: int, number: int, began_ns: int) -> None:
    """Send that worker *number* was at *task* from *began_ns* until now; 0: from now until now."""
    now = monotonic_ns()
    spans.send((began_ns or now, now), task, number)
