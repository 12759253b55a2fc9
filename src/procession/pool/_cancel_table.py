"""Tasks that nobody wants any more, told to workers that have not met them yet.

Idea: a table in shared memory, indexed by a task's number. Who cancels writes the number into its
place; a worker that has just taken a task looks there before it begins, and answers "cancelled"
instead. As long as nothing is cancelled, that look is one load of a counter. Two numbers that want
the same place make the table grow: a new one, twice as large, is filled and then published by one
store of the generation. The older ones stay, for workers that are just looking at them; together
they are no larger than the newest.

    COUNT       how many numbers are in the table.
    GENERATION  index of the table that counts, of those listed behind: (offset, serial) each.

Invariant: only the parent writes, with the dispatcher's lock held. A worker claims a task before it
looks here, and the parent looks at the claims after it has written here: so of a task that is
cancelled while it is being taken, one of them knows.

Layer: pool.
"""

from __future__ import annotations

from typing import Any

from .. import _core

COUNT, GENERATION, TABLES = range(3)
_FIRST_PLACES = 512
_GENERATIONS = 24
_BYTES_OF_WORD = 8

WORDS = TABLES + 2 * _GENERATIONS
"""How long the header is."""


class Cancelled:
    """The parent's side.

    Args:
        header: `WORDS` words of shared memory, zeroed.
    """

    def __init__(self, header: memoryview):
        self._header = header
        self._blocks: list[_core.Block] = []
        self._places: Any = None
        self._numbers: set[int] = set()

    def add(self, number: int) -> bool:
        """Cancel task *number*; True: whoever runs it already may be ended."""
        self._numbers.add(number)
        if self._places is None:
            self._publish(_FIRST_PLACES)
        elif self._places[number % len(self._places)]:
            self._publish(self._large_enough())
        else:
            self._places[number % len(self._places)] = number + 1
        self._header[COUNT] = len(self._numbers)
        return True

    def settle(self, number: int) -> None:
        """Task *number* has ended: nobody will look for it any more."""
        self._numbers.discard(number)
        self._places[number % len(self._places)] = 0
        self._header[COUNT] = len(self._numbers)

    def _large_enough(self) -> int:
        """The size of a table in which each number has a place of its own."""
        size = 2 * len(self._places)
        while len({number % size for number in self._numbers}) < len(self._numbers):
            size *= 2
        return size

    def _publish(self, size: int) -> None:
        """Make a table of *size* places the one that counts."""
        block = _core.Block(size * _BYTES_OF_WORD)
        places = memoryview(block).cast("Q")
        for number in self._numbers:
            places[number % size] = number + 1
        generation = len(self._blocks)
        self._blocks.append(block)
        where = TABLES + 2 * generation
        self._header[where], self._header[where + 1] = block.offset, block.serial
        self._header[GENERATION] = generation  # the table counts from here on
        self._places = places


class Notices:
    """A worker's side. Args: as `Cancelled`."""

    def __init__(self, header: memoryview):
        self._header = header
        self._generation = -1
        self._places: Any = None

    def has(self, number: int) -> bool:
        """Whether task *number*, which this worker has claimed, must not be begun."""
        if not self._header[COUNT]:
            return False
        generation = self._header[GENERATION]
        if generation != self._generation:
            where = TABLES + 2 * generation
            offset, serial = self._header[where : where + 2]
            block = _core._attach(_core.Block, _core.family_id(), offset, serial)
            self._places, self._generation = memoryview(block).cast("Q"), generation
        return bool(self._places[number % len(self._places)] == number + 1)
