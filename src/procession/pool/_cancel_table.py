"""The numbers of cancelled tasks, in shared memory, for workers that have not begun them.

Idea: a hash table indexed by the task's number. The parent writes the number of a cancelled task
into its entry. A worker that has just received a task looks at that entry before it begins, and
answers "cancelled" instead. As long as nothing is cancelled, that look is one load of a counter.
When two numbers share an entry the table grows: a new one, twice as large, is filled and then
published by one store of the generation. The older tables stay, for workers that are just reading
them; together they are no larger than the newest.

    COUNT       how many numbers are in the table; ENDED: the pool is terminated.
    GENERATION  index of the current table in the list that follows: (offset, serial) of each block.

Invariant: only the parent writes, with the dispatcher's lock held. A worker writes a task's number
into its status before it reads this table, and the parent reads the statuses after it has written
to this table. So of a task that is cancelled while a worker receives it, one of the two knows.

Layer: pool.
"""

from __future__ import annotations

from typing import Any

from .. import _core
from .._pickling import core_hooks

core_hooks.give()

COUNT, GENERATION, TABLES = range(3)
_FIRST_SIZE = 512
_GENERATIONS = 24
_BYTES_OF_WORD = 8

WORDS = TABLES + 2 * _GENERATIONS
"""The length of the header."""

ENDED = 2**64 - 1


class PoolEnded(Exception):
    """No task is to be begun any more."""


class SharedCancelTable:
    """The parent's side of the table.

    Args:
        header: `WORDS` words of shared memory, all 0.
    """

    def __init__(self, header: memoryview):
        self._header = header
        self._blocks: list[_core.Block] = []
        self._entries: Any = None
        self._numbers: set[int] = set()
        self._ended = False

    def add(self, number: int) -> bool:
        """Cancel task *number*; always True, as a worker that runs it can be ended."""
        self._numbers.add(number)
        if self._entries is None:
            self._publish(_FIRST_SIZE)
        elif self._entries[number % len(self._entries)]:
            self._publish(self._large_enough())
        else:
            self._entries[number % len(self._entries)] = number + 1
        self._write_count()
        return True

    def remove(self, number: int) -> None:
        """Forget task *number*, which has ended: no worker will look for it any more."""
        self._numbers.discard(number)
        self._entries[number % len(self._entries)] = 0
        self._write_count()

    def end(self) -> None:
        """Have each worker leave before it begins another task."""
        self._ended = True
        self._write_count()

    def _write_count(self) -> None:
        self._header[COUNT] = ENDED if self._ended else len(self._numbers)

    def _large_enough(self) -> int:
        """Return the size of a table in which each number has an entry of its own."""
        size = 2 * len(self._entries)
        while len({number % size for number in self._numbers}) < len(self._numbers):
            size *= 2
        return size

    def _publish(self, size: int) -> None:
        """Make a table of *size* entries the current one."""
        block = _core.Block(size * _BYTES_OF_WORD)
        entries = memoryview(block).cast("Q")
        for number in self._numbers:
            entries[number % size] = number + 1
        generation = len(self._blocks)
        self._blocks.append(block)
        index = TABLES + 2 * generation
        self._header[index], self._header[index + 1] = block.offset, block.serial
        self._header[GENERATION] = generation  # the commit: workers use the new table from here on
        self._entries = entries


class CancelTableReader:
    """A worker's side of the table. Args: as `SharedCancelTable`."""

    def __init__(self, header: memoryview):
        self._header = header
        self._generation = -1
        self._entries: Any = None

    def has(self, number: int) -> bool:
        """Whether task *number*, which this worker has received, must not be begun.

        Raises:
            PoolEnded: no task must be begun.
        """
        count = self._header[COUNT]
        if not count:
            return False
        if count == ENDED:
            raise PoolEnded
        generation = self._header[GENERATION]
        if generation != self._generation:
            index = TABLES + 2 * generation
            offset, serial = self._header[index : index + 2]
            block = _core._attach(_core.Block, _core.family_id(), offset, serial)
            self._entries, self._generation = memoryview(block).cast("Q"), generation
        return bool(self._entries[number % len(self._entries)] == number + 1)
