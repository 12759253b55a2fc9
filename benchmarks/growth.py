"""The curves: how the cost of an operation grows with its size, or with who takes part.

Idea: each point of a curve is a claim like the others, measured like them; a curve has no target.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

from . import pools, queues
from .claim import Claim

FIFO = ("faster_fifo",)
EXECUTOR = ("concurrent.futures",)
BYTES = 150_000_000  # what all messages of a point have together, if they are large


@dataclass(frozen=True)
class Curve:
    """What is measured at several places.

    Attributes:
        title: one operation, for the picture.
        axis: what the places are.
        points: the claim at each place.
    """

    title: str
    axis: str
    points: dict[int, Claim]


def _of_size(size: int) -> Claim:
    work = partial(queues.of_size, size=size)
    count = max(min(20_000, BYTES // size), 40)
    return Claim(f"queue-of-{size}", f"{size} bytes, queue", work, count, 1, peers=FIFO)


def _from_many(producers: int) -> Claim:
    work = partial(queues.from_many, producers=producers)
    what = f"small int, {producers} put"
    return Claim(f"queue-from-{producers}", what, work, 40_000, 1, peers=FIFO)


def _by_workers(workers: int) -> Claim:
    work = partial(pools.by_workers, workers=workers)
    what = f"task, {workers} workers"
    return Claim(f"pool-by-{workers}", what, work, 5_000, 1, peers=EXECUTOR)


CURVES = (
    Curve(
        "a message through a Queue",
        "bytes of the message",
        {10**power: _of_size(10**power) for power in range(1, 8)},
    ),
    Curve(
        "a small int through a Queue that several put into",
        "processes that put",
        {number: _from_many(number) for number in (1, 2, 4, 8, 16)},
    ),
    Curve(
        "a tiny task through imap_unordered(chunksize=1)",
        "workers",
        {number: _by_workers(number) for number in (1, 2, 4, 8, 16)},
    ),
)

CLAIMS = tuple(claim for curve in CURVES for claim in curve.points.values())
