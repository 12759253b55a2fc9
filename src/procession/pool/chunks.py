"""How the work of a map is cut into tasks.

Idea: large pieces first, smaller ones towards the end, so that few messages are sent and all
workers finish at about the same time, even if some items take long. Each piece is a fixed share of
what is left. Source: guided self-scheduling (Polychronopoulos and Kuck, 1987).

Layer: pool.
"""

from __future__ import annotations

from collections.abc import Iterator

CHUNKS_PER_WORKER = 4


def cut(length: int, workers: int, chunksize: int | None) -> Iterator[tuple[int, int]]:
    """The pieces (start, end) of *length* items, in order.

    Args:
        length: how many items, 0 or more.
        workers: how many workers, 1 or more.
        chunksize: items in each piece; None to choose.
    """
    start = 0
    while start < length:
        size = chunksize or -(-(length - start) // (workers * CHUNKS_PER_WORKER))
        end = min(start + size, length)
        yield start, end
        start = end
