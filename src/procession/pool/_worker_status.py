"""The status of each worker, in shared memory, where the pool reads it.

Idea: each worker has a row of 64-bit words. It says which task the worker has received last and
when, and until when that task may run. Nobody has to ask the worker, so the pool reads the status
also of a worker that has died or that is stuck in C code.

    TASK         number of the latest task, + 1; 0: none yet. Written before the task is received.
    STARTED_NS   when the task was received.
    DEADLINE_NS  when the kernel will kill the worker for its time limit; 0: there is no limit.
    LIMIT_NS     the length of that limit; written before the deadline.
    CANCEL_TASK  the worker ends itself on CANCEL_SIGNAL if TASK has this value; the parent's.
    READY        1: the worker is set up and receives tasks.

Times are nanoseconds of the monotonic clock, which all processes share. The header of the cancel
table follows the last row.

Invariant: a worker writes only to its own row, and not its CANCEL_TASK. The core writes the words
in the worker (native/python/worker_status.c), all but READY.

Layer: pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from .. import _core
from . import _cancel_table

TASK, CANCEL_TASK = _core.WORKER_TASK, _core.WORKER_CANCEL_TASK
STARTED_NS, DEADLINE_NS = _core.WORKER_STARTED_NS, _core.WORKER_DEADLINE_NS
LIMIT_NS = _core.WORKER_LIMIT_NS
READY = _core.WORKER_STATUS_WORDS
# At least a cache line, so that neighbours do not slow each other down.
_WORDS = max(8, READY + 1)
_BYTES_OF_WORD = 8


def write_status_of(tasks: _core.TaskChannel, block: _core.Block, index: int) -> None:
    """From now on the core writes in row *index* what this worker receives from *tasks*."""
    tasks.set_task_word(block, index * _WORDS)
    _core.use_worker_status(block, index * _WORDS)
    memoryview(block).cast("Q")[index * _WORDS + READY] = 1


def cancel_table_reader(block: _core.Block) -> _cancel_table.CancelTableReader:
    """Return a worker's view of the cancelled tasks."""
    return _cancel_table.CancelTableReader(memoryview(block).cast("Q")[-_cancel_table.WORDS :])


@dataclass(frozen=True)
class WorkerStatus:
    """The status of a worker at one moment.

    Attributes:
        task: number of the latest task; None: there was none yet.
        started_ns: when the worker received it.
        deadline_ns: when the worker is killed for its time limit; 0: the task has none.
        limit_ns: the length of that limit.
    """

    task: int | None
    started_ns: int
    deadline_ns: int
    limit_ns: int


class WorkerStatusTable:
    """The statuses of all workers of a pool, as the parent sees them.

    Args:
        count: how many workers the pool has.
    """

    def __init__(self, count: int):
        self.block = _core.Block((count * _WORDS + _cancel_table.WORDS) * _BYTES_OF_WORD)
        self._words = memoryview(self.block).cast("Q")
        self.cancel_table = _cancel_table.SharedCancelTable(self._words[-_cancel_table.WORDS :])

    def clear(self, index: int) -> None:
        """Prepare row *index* for a new worker."""
        for word in range(index * _WORDS, (index + 1) * _WORDS):
            self._words[word] = 0

    def task(self, index: int) -> int | None:
        """Return the number of the latest task of worker *index*; None if there was none yet."""
        word = self._words[index * _WORDS + TASK]
        return word - 1 if word else None

    def is_ready(self, index: int) -> bool:
        """Whether worker *index* is set up and receives tasks."""
        return bool(self._words[index * _WORDS + READY])

    def set_cancel_task(self, index: int, task: int) -> None:
        """Have worker *index* end itself if it is at *task* when CANCEL_SIGNAL comes."""
        self._words[index * _WORDS + CANCEL_TASK] = task + 1

    def read(self, index: int) -> WorkerStatus:
        """Return the status of worker *index*."""
        row = self._words[index * _WORDS : (index + 1) * _WORDS]
        task = row[TASK]
        return WorkerStatus(
            task - 1 if task else None, row[STARTED_NS], row[DEADLINE_NS], row[LIMIT_NS]
        )
