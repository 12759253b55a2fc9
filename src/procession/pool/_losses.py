"""How a pool tells of a worker that has died with its task.

Idea: who buries a worker knows how it ended, who gives out results knows what it had to do. So a
loss travels through the channel of results as plain values, and becomes an exception there.

Layer: pool.
"""

from __future__ import annotations

from typing import Any

from .._base import errors
from .._launch import crash_report, exit_reason

Loss = tuple[str, int, int, str]
"""Who it was and how it ended; its process id; its exit code; its last words, if any."""


def of(worker: Any) -> Loss:
    """What there is to say of *worker*, a process that has ended."""
    how = f"worker {worker.name} (pid {worker.pid}) {exit_reason.describe(worker.exitcode)}"
    return how, worker.pid, worker.exitcode, crash_report.read(worker)


def lost(loss: Loss, task: str) -> errors.WorkerLostError:
    """The error of *task*, which the worker had."""
    how, pid, exitcode, words = loss
    said = f"{how}, while it ran {task}"
    if words:
        said += f". Its last words:\n{words}"
    return errors.WorkerLostError(said, pid, exitcode, words)
