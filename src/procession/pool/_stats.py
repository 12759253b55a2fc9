"""What a pool knows of itself at one moment, for `Pool.stats`.

Idea: the dispatcher counts how tasks end; what the workers do stands in their statuses. To put both
together costs the tasks nothing.

Layer: pool.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

_NS_PER_S = 1e9


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
class WorkerSnapshot:
    """What a supervisor knows of a worker at one moment.

    Attributes:
        name, pid: of its process.
        task: number of the task it has received last; None: none yet.
        started_ns: when that was; 0: it has not begun to receive tasks.
    """

    name: str
    pid: int
    task: int | None
    started_ns: int

    def to_stats(self, description: str | None) -> WorkerStats:
        """Return the stats of the worker.

        Args:
            description: of its task; None if that has ended.
        """
        if description is None:
            return WorkerStats(self.name, self.pid, "idle" if self.started_ns else "starting")
        age = max(0, time.monotonic_ns() - self.started_ns) / _NS_PER_S
        return WorkerStats(self.name, self.pid, "busy", description, age)
