"""The seats: what a worker writes down about itself, in shared memory, for the pool to read.

Idea: each worker has a seat, a row of 64-bit words. It says there which task it has taken last and
since when, and until when that may take. Nobody has to ask the worker, so the pool still learns it
from one that has died or that is stuck in C code.

    CLAIM     number of the latest task, + 1; 0: none yet. Written before the task counts as taken.
    SINCE     when it was taken.
    DEADLINE  when the worker will be killed for what it runs; 0: it has no limit.
    LIMIT     the limit that the deadline came from; written before it.
    VICTIM    what the worker is to end for if CLAIM says so when END_SIGNAL comes; the parent's.

Times are nanoseconds of the monotonic clock, which all processes share. Behind the last seat lies
the header of `cancelled`.

Invariant: a worker writes only in its own seat, and not its VICTIM.

Layer: pool.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from .. import _core
from . import _cancel_table

CLAIM, SINCE, DEADLINE, LIMIT, VICTIM = range(5)
_WORDS = 8  # a cache line, so that neighbours do not slow each other down
_BYTES_OF_WORD = 8
_NS = 1e9


def occupy(block: _core.Block, seat: int, tasks: _core.TaskChannel) -> None:
    """From now on *tasks*, in this worker, notes in *seat* what it takes."""
    tasks.claim_in(block, seat * _WORDS)
    _core.take_seat(block, seat * _WORDS)


def notices(block: _core.Block) -> _cancel_table.Notices:
    """What has been cancelled, for a worker."""
    return _cancel_table.Notices(memoryview(block).cast("Q")[-_cancel_table.WORDS :])


@dataclass(frozen=True)
class Look:
    """A seat as it was at one moment.

    Attributes:
        claim: number of the latest task + 1; 0: none yet.
        since: when it was taken, ns.
        limit: seconds that the task was allowed to take, if they are over; else 0.
    """

    claim: int
    since: int
    limit: float


class Seats:
    """All seats of a pool, as the parent sees them."""

    def __init__(self, count: int):
        self.block = _core.Block((count * _WORDS + _cancel_table.WORDS) * _BYTES_OF_WORD)
        self._words = memoryview(self.block).cast("Q")
        self.cancelled = _cancel_table.Cancelled(self._words[-_cancel_table.WORDS :])

    def clear(self, seat: int) -> None:
        """The seat is free for a new worker."""
        for word in range(seat * _WORDS, (seat + 1) * _WORDS):
            self._words[word] = 0

    def claim(self, seat: int) -> int:
        """The number of the seat's latest task + 1; 0: none yet."""
        return self._words[seat * _WORDS + CLAIM]

    def set_victim(self, seat: int, claim: int) -> None:
        """The seat's worker is to end if it is at that task when END_SIGNAL comes."""
        self._words[seat * _WORDS + VICTIM] = claim

    def look(self, seat: int) -> Look:
        """Return what the seat says."""
        claim, since, deadline, limit = self._words[seat * _WORDS : seat * _WORDS + 4]
        over = deadline and time.monotonic_ns() >= deadline
        return Look(claim, since, limit / _NS if over else 0.0)
