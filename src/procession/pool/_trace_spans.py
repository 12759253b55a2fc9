"""When a worker was at which task, noted for a trace.

Idea: a worker of a pool that is traced puts into a third channel, before each result, when it began
the task and when it ended it; for a task that died with its worker, who buries the worker does. The
first tag of a message is the task's number, the second the worker's.

Invariant: the span of a task is in the channel before its end is in that of the results.

Layer: pool.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from time import monotonic_ns
from typing import Any

from .. import _core
from .._base import runtime
from ._protocols import Message

HELLO = 2**64 - 1
"""Instead of a task's number: a worker says what it is called, and its process id."""


class Spans:
    """Between a worker and its channels: notes when each task began and ended.

    Args:
        channel: where to.
        number: the worker's.
        take, answer: see `worker.serve`.
        not_begun: the kind of an answer for a task that was not begun.
    """

    def __init__(
        self,
        channel: _core.TaskChannel,
        number: int,
        take: Callable[[float | None], Message],
        answer: Callable[[Any, int, int], object],
        not_begun: int,
    ):
        self._channel, self._number = channel, number
        self._take, self._answer, self._not_begun = take, answer, not_begun
        self._began = 0
        channel.put_tagged((runtime.current_process().name, os.getpid()), HELLO, number)

    def take(self, timeout: float | None) -> Message:
        """As the worker would."""
        message = self._take(timeout)
        self._began = monotonic_ns()
        return message

    def answer(self, value: Any, task: int, kind: int) -> None:
        """As the worker would."""
        if kind != self._not_begun:
            put(self._channel, task, self._number, self._began)
        self._answer(value, task, kind)


def put(channel: _core.TaskChannel, task: int, number: int, began: int) -> None:
    """Worker *number* was at *task* since *began*, ns, or for no time if that is 0, until now."""
    now = monotonic_ns()
    channel.put_tagged((began or now, now), task, number)
