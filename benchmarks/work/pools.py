"""A pool: how many small tasks a second, and how long one task takes there and back."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Iterator
from typing import Any

from ..timing import Measurement, of_delays, of_throughput

WORKERS = 2
REPEATS = 5
ARRAY_ITEMS = 1_000_000  # of 8 bytes
WARM_UP = 100  # tasks: every worker has started when they are done


def single_tasks(context: Any, count: int) -> Measurement:
    """Tasks that do next to nothing, through imap_unordered with chunksize 1."""
    return by_workers(context, count, WORKERS)


def by_workers(context: Any, count: int, workers: int) -> Measurement:
    """The same, by *workers* workers."""
    with context.Pool(workers) as pool:
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


def star_map(context: Any, count: int) -> Measurement:
    """One ``pool.starmap`` of *count* tasks that do next to nothing."""
    pairs = [(number, number) for number in range(count)]
    times = []
    with context.Pool(WORKERS) as pool:
        pool.map(double, range(WARM_UP))
        for _ in range(REPEATS):
            began = time.perf_counter_ns()
            sums = pool.starmap(add, pairs)
            times.append((time.perf_counter_ns() - began) / count)
            assert sums[-1] == 2 * (count - 1)
    return Measurement(statistics.median(times), times)


def many_calls(context: Any, count: int) -> Measurement:
    """*count* calls of ``pool.apply_async``, then their results."""
    with context.Pool(WORKERS) as pool:
        pool.map(double, range(WARM_UP))
        began = time.perf_counter_ns()
        return of_throughput(_awaited(pool, count), count, began)


def arrays(context: Any, count: int) -> Measurement:
    """One ``pool.map`` of arrays of 8 MB, each of which comes back."""
    import numpy

    given = [numpy.full(ARRAY_ITEMS, number, dtype="float64") for number in range(count)]
    with context.Pool(WORKERS) as pool:
        pool.map(double, range(WARM_UP))
        began = time.perf_counter_ns()
        back = pool.map(same, given)
        took = (time.perf_counter_ns() - began) / count
        assert all(array[0] == array[-1] == number for number, array in enumerate(back))
        pool.terminate()
    return Measurement(took, [took])


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


def add(left: int, right: int) -> int:
    """The task of a starmap."""
    return left + right


def same(thing: Any) -> Any:
    """The task that gives back what it is given."""
    return thing


def _awaited(pool: Any, count: int) -> Iterator[None]:
    calls = [pool.apply_async(double, (number,)) for number in range(count)]
    for number, call in enumerate(calls):
        assert call.get() == 2 * number
        yield


def _results(pool: Any, count: int) -> Iterator[None]:
    total = 0
    for result in pool.imap_unordered(double, range(count), chunksize=1):
        total += result
        yield
    assert total == count * (count - 1)
