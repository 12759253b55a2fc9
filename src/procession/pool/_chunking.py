"""How the items of a map are cut into chunks, one for each task.

Idea: large chunks first, smaller ones towards the end, so that few messages are sent and all
workers finish at about the same time, even if some items take long. A map that is sent as a whole
is cut at once: each chunk is a fixed share of what is left. A map whose caller waits measures: its
chunks begin with a single item and grow towards a length of time that makes the cost of a message
small, but no larger than that share. So tiny items are sent by the thousand, and long ones singly.

Source: guided self-scheduling (Polychronopoulos and Kuck, 1987).

Layer: pool.
"""

from __future__ import annotations

from collections.abc import Iterator

CHUNKS_PER_WORKER = 4

_LONG_NS = 5_000_000
"""The cost of a message is small beside a chunk that takes so long: about a hundredth of it."""

_SHORT_NS = 200_000
"""A chunk that takes less is not made any smaller."""

_GROWTH = 8  # from chunk to chunk: the first ones may have been untypical


def cut(length: int, workers: int, chunksize: int | None) -> Iterator[tuple[int, int]]:
    """Return the ranges (start, end) of the chunks of *length* items, in order.

    Args:
        length: how many items, 0 or more.
        workers: how many workers, 1 or more.
        chunksize: items in each chunk; None to choose.
    """
    start = 0
    while start < length:
        size = chunksize or _share(length - start, workers)
        end = min(start + size, length)
        yield start, end
        start = end


def describe_items(start: int, end: int) -> str:
    """Return the name of the items from *start* to *end*, for messages."""
    return f"item {start}" if end == start + 1 else f"items {start} to {end - 1}"


def _share(left: int, workers: int) -> int:
    return -(-left // (workers * CHUNKS_PER_WORKER))


class AdaptiveChunks:
    """Cuts *length* items for *workers*, chunk by chunk, by how long the chunks before took."""

    def __init__(self, length: int, workers: int):
        self._length, self._workers = length, workers
        self._start = 0
        self._largest = 0
        self._measured_items, self._measured_ns = 0, 0

    def add_measurement(self, items: int, ns: int) -> None:
        """Note that a chunk of *items* items has taken *ns* nanoseconds."""
        self._measured_items += items
        self._measured_ns += ns

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing is left to cut."""
        return self._start >= self._length

    def wants_more(self, under_way: int) -> bool:
        """Whether another chunk should be sent while *under_way* are: one waits for each worker."""
        return under_way < 2 * self._workers and not self.is_exhausted

    def next(self) -> tuple[int, int]:
        """Cut off the next chunk; return its range (start, end)."""
        start = self._start
        size = self._size(self._length - start)
        self._largest = max(size, self._largest)
        self._start = min(start + size, self._length)
        return start, self._start

    def cut_rest(self) -> int:
        """Cut off all that is left; return how many items that were."""
        left, self._start = self._length - self._start, self._length
        return left

    def _size(self, left: int) -> int:
        if not self._measured_items:
            return 1
        ns_of_one = max(self._measured_ns / self._measured_items, 1.0)
        size = max(min(_share(left, self._workers), _LONG_NS / ns_of_one), _SHORT_NS / ns_of_one)
        return max(1, int(min(size, self._largest * _GROWTH)))
