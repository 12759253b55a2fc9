"""What a pool knows of itself at one moment, for `Pool.stats`.

Idea: the dispatcher counts ends of tasks as it tells them; what the workers do stands in their
seats. Putting both together costs the tasks nothing.

Layer: pool.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

_NS = 1e9


@dataclass(frozen=True)
class WorkerStats:
    """A worker.

    Attributes:
        name, pid: of its process.
        state: "starting", "idle" or "busy".
        task: what it does now; None if nothing.
        age: seconds since it took that; None if nothing.
    """

    name: str
    pid: int
    state: str
    task: str | None = None
    age: float | None = None


@dataclass(frozen=True)
class PoolStats:
    """A pool. A task of several items counts once.

    Attributes:
        done: tasks whose results have come.
        failed: those that raised, or could not be sent.
        lost: those that ended with their worker.
        retried: how often a lost task was sent again.
        cancelled: those that were cancelled.
        timed_out: those that took longer than their limit.
        queued: tasks that no worker has taken yet.
        workers: the workers, in no particular order.
    """

    done: int
    failed: int
    lost: int
    retried: int
    cancelled: int
    timed_out: int
    queued: int
    workers: list[WorkerStats]


@dataclass(frozen=True)
class Seen:
    """What a crew sees of a worker.

    Attributes:
        name, pid: of its process.
        number: of the task it took last; None: none yet.
        since: when that was, ns; 0: it has not begun to take tasks.
    """

    name: str
    pid: int
    number: int | None
    since: int

    def with_task(self, task: str | None) -> WorkerStats:
        """The worker, which does *task* now."""
        if task is None:
            return WorkerStats(self.name, self.pid, "idle" if self.since else "starting")
        age = max(0, time.monotonic_ns() - self.since) / _NS
        return WorkerStats(self.name, self.pid, "busy", task, age)
