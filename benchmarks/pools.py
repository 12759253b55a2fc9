"""A pool: how many small tasks a second, and how long one task takes there and back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from .measurement import Measurement, of_delays, of_throughput

WORKERS = 2
WARM_UP = 100  # tasks: every worker has started when they are done


def single_tasks(context: Any, count: int) -> Measurement:
    """Tasks that do next to nothing, through imap_unordered with chunksize 1."""
    with context.Pool(WORKERS) as pool:
        pool.map(double, range(WARM_UP))
        began = time.perf_counter_ns()
        return of_throughput(_results(pool, count), count, began)


def one_apply(context: Any, count: int) -> Measurement:
    """``pool.apply`` of a function that does next to nothing."""
    delays = []
    with context.Pool(WORKERS) as pool:
        pool.map(double, range(WARM_UP))
        for number in range(count):
            began = time.perf_counter_ns()
            result = pool.apply(double, (number,))
            delays.append(time.perf_counter_ns() - began)
            assert result == 2 * number
    return of_delays(delays)


def double(number: int) -> int:
    """The task."""
    return 2 * number


def _results(pool: Any, count: int) -> Iterator[None]:
    total = 0
    for result in pool.imap_unordered(double, range(count), chunksize=1):
        total += result
        yield
    assert total == count * (count - 1)
