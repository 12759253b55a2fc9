"""How the work of a map is cut into tasks.

Idea: large pieces first, smaller ones towards the end, so that few messages are sent and all
workers finish at about the same time, even if some items take long. Who cannot wait for the first
results cuts at once: each piece is a fixed share of what is left. Who can, measures: pieces begin
with a single item and grow towards a length of time that makes the cost of a message small, but no
larger than that share. So tiny items go by the thousand, and long ones singly.

Source: guided self-scheduling (Polychronopoulos and Kuck, 1987).

Layer: pool.
"""

from __future__ import annotations

from collections.abc import Iterator

CHUNKS_PER_WORKER = 4

_LONG_NS = 5_000_000
"""A piece that takes so long costs nothing to speak of: about a hundred times a message."""

_SHORT_NS = 200_000
"""What takes less is not cut up any further."""

_GROWTH = 8  # from piece to piece: the first ones may have been untypical


def cut(length: int, workers: int, chunksize: int | None) -> Iterator[tuple[int, int]]:
    """The pieces (start, end) of *length* items, in order.

    Args:
        length: how many items, 0 or more.
        workers: how many workers, 1 or more.
        chunksize: items in each piece; None to choose.
    """
    start = 0
    while start < length:
        size = chunksize or _share(length - start, workers)
        end = min(start + size, length)
        yield start, end
        start = end


def in_words(start: int, end: int) -> str:
    """The piece (start, end) as messages name it."""
    return f"item {start}" if end == start + 1 else f"items {start} to {end - 1}"


def _share(left: int, workers: int) -> int:
    return -(-left // (workers * CHUNKS_PER_WORKER))


class Plan:
    """Cuts *length* items for *workers*, piece by piece, by what the pieces before have taken."""

    def __init__(self, length: int, workers: int):
        self._length, self._workers = length, workers
        self._start = 0
        self._largest = 0
        self._done, self._ns = 0, 0

    def measured(self, items: int, ns: int) -> None:
        """A piece of so many *items* has taken so many nanoseconds."""
        self._done += items
        self._ns += ns

    @property
    def is_over(self) -> bool:
        """Whether there is nothing left to cut."""
        return self._start >= self._length

    def wants(self, out: int) -> bool:
        """Whether there should be more pieces under way than *out*: one for each worker waits."""
        return out < 2 * self._workers and not self.is_over

    def next(self) -> tuple[int, int]:
        """Cut off the next piece: (start, end)."""
        start = self._start
        size = self._size(self._length - start)
        self._largest = max(size, self._largest)
        self._start = min(start + size, self._length)
        return start, self._start

    def rest(self) -> int:
        """Cut off all that is left, and say how much it was."""
        left, self._start = self._length - self._start, self._length
        return left

    def _size(self, left: int) -> int:
        if not self._done:
            return 1
        ns_of_one = max(self._ns / self._done, 1.0)
        size = max(min(_share(left, self._workers), _LONG_NS / ns_of_one), _SHORT_NS / ns_of_one)
        return max(1, int(min(size, self._largest * _GROWTH)))
