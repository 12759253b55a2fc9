"""How much memory a pool takes while it lives: ``python -m benchmarks.probes.memory WORK ITEMS``.

Idea: what grows with the number of tasks shows as a slope. The resident memory of the pool's
process and the pages that the arena has are printed at ten points of a long run, as they come.

    imap    imap_unordered over ITEMS numbers, none of which is kept
    tasks   one pool that does ITEMS tasks, by turns through apply_async, map and imap
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import procession
from procession import _core

from ..work.pools import WORKERS, double

POINTS = 10
ROUND = 500  # tasks of a round of each of the three calls
_MEBI = 1 << 20


@dataclass(frozen=True)
class Point:
    """What was in use after so many items, in bytes: of the process, of the arena's pages."""

    items: int
    seconds: float
    resident: int
    arena: int


def look(items: int, began: float) -> Point:
    """What is in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    resident = pages * resource.getpagesize()
    return Point(items, time.monotonic() - began, resident, _core.arena_usage()["committed"])


def over_imap(pool: Any, items: int) -> Iterator[int]:
    """Yield how many items are done, after each."""
    results = pool.imap_unordered(double, range(items), chunksize=1)
    for done, _ in enumerate(results, 1):
        yield done


def over_tasks(pool: Any, items: int) -> Iterator[int]:
    """Likewise, after each round of tasks."""
    done = 0
    while done < items:
        results = [pool.apply_async(double, (number,)) for number in range(ROUND)]
        assert sum(result.get() for result in results) == ROUND * (ROUND - 1)
        assert len(pool.map(double, range(ROUND), chunksize=1)) == ROUND
        assert sum(pool.imap(double, iter(range(ROUND)))) == ROUND * (ROUND - 1)
        done += 3 * ROUND
        yield done


WORK: dict[str, Callable[[Any, int], Iterator[int]]] = {"imap": over_imap, "tasks": over_tasks}


def run(work: str, items: int) -> Iterator[Point]:
    """Do *work* on *items* items; what was in use at the points of it, evenly spread."""
    began, due = time.monotonic(), items // POINTS
    with procession.get_context("fork").Pool(WORKERS) as pool:
        for done in WORK[work](pool, items):
            if done >= due:
                due += items // POINTS
                yield look(done, began)


def main() -> None:
    """Print the points as they come."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.probes.memory", description="Is it flat?"
    )
    parser.add_argument("work", choices=WORK)
    parser.add_argument("items", type=int)
    options = parser.parse_args()
    print(f"{'items':>12} {'seconds':>9} {'resident MiB':>13} {'arena KiB':>10}")
    for point in run(options.work, options.items):
        resident, arena = point.resident / _MEBI, point.arena / 1024
        print(f"{point.items:12,} {point.seconds:9.1f} {resident:13.2f} {arena:10.1f}", flush=True)


if __name__ == "__main__":
    main()
