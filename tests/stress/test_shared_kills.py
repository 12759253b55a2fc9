"""A mapping and a list that eight processes use, and that fifty of them are killed at.

Idea: kills at named points reach what was thought of; these reach the rest. Each process counts in
memory of its own what it has completely done: that must be there, at most one step more may be, and
what is set together must always be the same.
"""

import os
import random
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from procession import _core
from procession.shared import Dict, List
from tests.support.kill import Child, memory_unchanged

WORKERS = 8
KILLS = 50
LONGEST_LIFE = 0.1  # seconds
GROUP = [("group", i) for i in range(6)]  # keys that are only set together
SIZES = (0, 10, 500, 3000, 20_000)  # of values: inline, and in blocks of their own


@pytest.fixture(autouse=True)
def nothing_leaks(family: None) -> Iterator[None]:
    """After each test the dead were reaped, and no more memory is in use than before."""
    warm_up()
    with memory_unchanged():
        yield


def warm_up() -> None:
    """Have this process hold as many values at a time as it ever will: its list of them stays."""
    List("x" * SIZES[-1] for _ in range(200)).copy()


def seeded() -> random.Random:
    """Return a generator whose seed is in the report, and can be given (PROCESSION_TEST_SEED)."""
    seed = int(os.environ.get("PROCESSION_TEST_SEED") or random.randrange(1 << 32))
    print(f"PROCESSION_TEST_SEED={seed}")
    return random.Random(seed)


def value(worker: int, number: int) -> tuple[int, str]:
    """What the worker sets in its *number*-th round."""
    return number, "x" * SIZES[(worker + number) % len(SIZES)]


class Ledger:
    """How many rounds each worker has begun and ended, in shared memory: survives them all."""

    def __init__(self, workers: int) -> None:
        self._block = _core.Block(16 * workers)
        self._words = memoryview(self._block).cast("Q")

    def begin(self, worker: int) -> None:
        """One more round."""
        self._words[2 * worker] += 1

    def end(self, worker: int) -> None:
        """It is done."""
        self._words[2 * worker + 1] += 1

    def begun(self, worker: int) -> int:
        """How many rounds were begun."""
        return self._words[2 * worker]

    def ended(self, worker: int) -> int:
        """How many of them came to their end."""
        return self._words[2 * worker + 1]


def use(mapping: Any, items: Any, ledger: Ledger, worker: int) -> None:
    """Do rounds until killed: set, set together, take out, append, insert and cut."""
    number = 0
    while True:
        ledger.begin(worker)
        mapping[worker] = value(worker, number)
        mapping.update(dict.fromkeys(GROUP, value(worker, number)))
        assert len({found for key, found in mapping.items() if key in GROUP}) == 1
        assert mapping.setdefault(("mine", worker), number) == number
        assert mapping.pop(("mine", worker)) == number
        items.append((worker, *value(worker, number)))
        items.insert(0, worker)
        del items[:-20]
        ledger.end(worker)
        number += 1


def check(mapping: Any, ledger: Ledger, worker: int) -> None:
    """What the dead worker had done is there; of its last round there may be a part."""
    number, text = mapping[worker]
    assert ledger.ended(worker) <= number + 1 <= ledger.begun(worker)
    assert (number, text) == value(worker, number)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_fifty_kills_lose_no_committed_write_and_cost_no_memory() -> None:
    """Each of the killed is replaced; the others go on, and all of it stays whole."""
    chance = seeded()
    mapping: Dict[Any, Any] = Dict()
    items: List[Any] = List()
    ledger = Ledger(KILLS + WORKERS)
    running: list[tuple[int, Child, float]] = []
    started = 0
    while started < KILLS or running:
        while len(running) < WORKERS and started < KILLS:
            child = Child(lambda: use(mapping, items, ledger, started))  # noqa: B023
            running.append((started, child, time.monotonic() + chance.uniform(0, LONGEST_LIFE)))
            started += 1
        for entry in [entry for entry in running if time.monotonic() > entry[2]]:
            worker, child, _ = entry
            if ledger.begun(worker) < 2:
                continue  # it has not come to anything yet
            child.kill()
            assert child.wait() == -signal.SIGKILL
            running.remove(entry)
            check(mapping, ledger, worker)
        assert len(mapping) <= KILLS + len(GROUP) + KILLS
        assert len(items) <= 20 + 4 * WORKERS
    assert len({mapping[key] for key in GROUP}) == 1
    for worker in range(KILLS):
        check(mapping, ledger, worker)
    for item in items:
        assert item in range(KILLS) or item == (item[0], *value(item[0], item[1]))
