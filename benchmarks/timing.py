"""What one measurement gives.

Idea: a measurement is some thousand operations, timed in parts. The mean over all of them is its
figure where throughput is asked, the median of the parts where the delay of a single operation is;
the parts also tell the spread.

Invariant: all numbers are nanoseconds of one operation, so less is better, always.
"""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

PARTS = 100  # of a measurement of throughput


@dataclass(frozen=True)
class Measurement:
    """Nanoseconds per operation: the figure, and that of each part."""

    figure: float
    parts: list[float]


def of_delays(delays: list[int]) -> Measurement:
    """Make a measurement of the *delays* of single operations, the first tenth being warm-up."""
    warm = [float(delay) for delay in delays[len(delays) // 10 :]]
    return Measurement(statistics.median(warm), warm)


def of_throughput(operations: Iterable[object], count: int, began: int) -> Measurement:
    """Let *operations* run to the end, and time it.

    Args:
        operations: takes one step for each operation.
        count: how many steps there are.
        began: when the work was set going, by `time.perf_counter_ns`.
    """
    size = max(1, count // PARTS)
    stamps = [began, *_stamps(operations, size)]
    ended = time.perf_counter_ns()
    parts = [(end - start) / size for start, end in itertools.pairwise(stamps)]
    return Measurement((ended - began) / count, parts)


def of_batches(work: Callable[[int], None], count: int) -> Measurement:
    """Call *work* with the number of operations to do, PARTS times, and time each call."""
    size = max(1, count // PARTS)
    work(size)  # warm-up
    parts = []
    for _ in range(PARTS):
        began = time.perf_counter_ns()
        work(size)
        parts.append((time.perf_counter_ns() - began) / size)
    return Measurement(statistics.median(parts), parts)


def _stamps(operations: Iterable[object], size: int) -> Iterator[int]:
    """Yield the time after each *size* operations."""
    left = size
    for _ in operations:
        left -= 1
        if left == 0:
            left = size
            yield time.perf_counter_ns()
