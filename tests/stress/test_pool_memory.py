"""A pool's memory does not grow with its tasks.

A longer form: ``python -m benchmarks.probes.memory``.
"""

import pytest

from benchmarks.probes import memory

pytestmark = pytest.mark.slow

ITEMS = 100_000
FIRST = 3  # points before which everything has its full size: buffers, free lists, warm blocks
SLACK = 1 << 19  # bytes; a word kept for each item would be more


@pytest.mark.parametrize("work", memory.WORK)
def test_memory_stays_flat(work: str) -> None:
    points = list(memory.run(work, ITEMS))
    assert len(points) == memory.POINTS
    assert points[-1].items >= ITEMS
    early, last = points[FIRST - 1], points[-1]
    assert last.arena == early.arena
    assert last.resident - early.resident < SLACK
