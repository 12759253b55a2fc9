"""A pool: how many small tasks a second, and how long one task takes there and back."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

from .measurement import Measurement, of_delays, of_throughput

WORKERS = 2
REPEATS = 5
WARM_UP = 100  # tasks: every worker has started when they are done


def single_tasks(context: Any, count: int) -> Measurement:
    """Tasks that do next to nothing, through imap_unordered with chunksize 1."""
    with context.Pool(WORKERS) as pool:
        pool.map(double, range(WARM_UP))
        began = time.perf_counter_ns()
        return of_throughput(_results(pool, count), count, began)


def tiny_map(context: Any, count: int) -> Measurement:
    """One ``pool.map`` of *count* tasks that do next to nothing."""
    numbers = range(count)
    times = []
    with context.Pool(WORKERS) as pool:
        pool.map(double, range(WARM_UP))
        for _ in range(REPEATS):
            began = time.perf_counter_ns()
            doubled = pool.map(double, numbers)
            times.append((time.perf_counter_ns() - began) / count)
            assert doubled[-1] == 2 * numbers[-1]
    return Measurement(statistics.median(times), times)


def heavy_tail(context: Any, count: int) -> Measurement:
    """One ``pool.map`` of tasks of which few take most of the time; see `durations`."""
    lengths = durations(count)
    with context.Pool(WORKERS) as pool:
        pool.map(double, range(WARM_UP))
        began = time.perf_counter_ns()
        slept = pool.map(sleep, lengths)
        took = time.perf_counter_ns() - began
        pool.terminate()
    ideal = max(max(slept), sum(slept) / WORKERS)
    assert took >= ideal
    return Measurement(took / count, [took / count])


def durations(count: int) -> list[float]:
    """Seconds, by Pareto's law: half of the time is in a few of them; the same each time."""
    source = random.Random(1907)
    return [min(0.0002 * source.paretovariate(1.1), 0.2) for _ in range(count)]


def sleep(seconds: float) -> float:
    """Take that long, or rather how long it says."""
    began = time.perf_counter_ns()
    time.sleep(seconds)
    return float(time.perf_counter_ns() - began)


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
