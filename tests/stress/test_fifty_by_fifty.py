"""One queue, fifty processes that put and fifty that take.

Idea: each message says who put it and which of its puts that was. Whoever takes it marks it in
shared memory. So what was lost, doubled or left lying shows afterwards, as does who got how many.
"""

import signal
from collections.abc import Iterator
from typing import Any

import pytest

from procession import _core
from procession.queues import Queue, ShutDown
from procession.synchronize import Barrier
from tests.stress.test_random_kills import Ledger, seeded
from tests.support.kill import TIMEOUT, Child, memory_unchanged
from tests.support.waiting import wait_until

ENDS = 50
EACH = 2000  # messages of one producer


@pytest.fixture(autouse=True)
def nothing_leaks(family: None) -> Iterator[None]:
    """After each test the dead were reaped, and no more memory is in use than before."""
    with memory_unchanged():
        yield


class Marks:
    """How often each message was taken, and how many by whom."""

    def __init__(self, producers: int, consumers: int):
        self._taken = memoryview(_core.Block(producers * EACH)).cast("B")
        self._counts = memoryview(_core.Block(8 * consumers)).cast("Q")

    def mark(self, consumer: int, producer: int, number: int) -> None:
        place = producer * EACH + number
        self._taken[place] = (self._taken[place] + 1) % 256
        self._counts[consumer] += 1

    def of(self, producer: int) -> bytes:
        return bytes(self._taken[producer * EACH : (producer + 1) * EACH])

    def counts(self) -> list[int]:
        return list(self._counts)


def produce(queue: Any, ledger: Ledger, producer: int) -> None:
    for number in range(EACH):
        queue.put((producer, number))
        ledger.write(producer, number)


def consume(queue: Any, marks: Marks, consumer: int) -> None:
    while True:
        try:
            producer, number = queue.get()
        except ShutDown:
            return
        marks.mark(consumer, producer, number)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("maxsize", [0, 100], ids=["unbounded", "bounded"])
def test_each_of_a_hundred_thousand_messages_arrives_once(maxsize: int) -> None:
    queue, ledger, marks = Queue(maxsize), Ledger(ENDS), Marks(ENDS, ENDS)
    gate = Barrier(2 * ENDS)  # without it, the first to be started would have done all the work
    consumers = [Child(lambda n=n: (gate.wait(), consume(queue, marks, n))) for n in range(ENDS)]
    producers = [Child(lambda n=n: (gate.wait(), produce(queue, ledger, n))) for n in range(ENDS)]

    for child in producers:
        assert child.wait(timeout=90) == 0
    queue.shutdown()
    for child in consumers:
        assert child.wait(timeout=90) == 0

    for producer in range(ENDS):
        assert marks.of(producer) == b"\1" * EACH


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("maxsize", [0, 10], ids=["unbounded", "bounded"])
def test_as_long_as_messages_come_nobody_starves(maxsize: int) -> None:
    """However fast the others are, each of fifty consumers gets its tenth message some day."""
    queue, marks = Queue(maxsize), Marks(ENDS, ENDS)

    def produce_until_the_end(producer: int) -> None:
        number = 0
        try:
            while True:
                queue.put((producer, number % EACH))
                number += 1
        except ShutDown:
            return

    consumers = [Child(lambda n=n: consume(queue, marks, n)) for n in range(ENDS)]
    producers = [Child(lambda n=n: produce_until_the_end(n)) for n in range(2)]
    try:
        wait_until(lambda: min(marks.counts()) >= 10, timeout=60)
    finally:
        queue.shutdown(immediate=True)
    for child in [*producers, *consumers]:
        assert child.wait(timeout=30) == 0


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_a_hundred_kills_cost_one_message_each_at_most() -> None:
    """Producers and consumers are killed by chance, and replaced, while the others go on."""
    chance = seeded()
    kills = 100
    queue, ledger = Queue(100), Ledger(ENDS + kills)
    marks = Marks(ENDS + kills, ENDS + kills)
    starts = {"producers": 0, "consumers": 0}
    running: dict[str, list[Child]] = {"producers": [], "consumers": []}

    def start(side: str) -> None:
        number = starts[side]
        starts[side] += 1
        if side == "producers":
            running[side].append(Child(lambda: produce(queue, ledger, number)))
        else:
            running[side].append(Child(lambda: consume(queue, marks, number)))

    for _ in range(ENDS):
        start("producers")
        start("consumers")
    killed = {"producers": 0, "consumers": 0}
    for _ in range(kills):
        side = chance.choice(["producers", "consumers"])
        dying = running[side].pop(chance.randrange(len(running[side])))
        dying.kill()
        killed[side] += dying.wait() == -signal.SIGKILL  # else it had come to its end before
        start(side)
    for child in running["producers"]:
        assert child.wait(timeout=90) == 0
    queue.shutdown()
    for child in running["consumers"]:
        assert child.wait(timeout=TIMEOUT) == 0

    missing = [count_missing(marks, ledger, producer) for producer in range(starts["producers"])]
    assert sum(missing) <= killed["consumers"]


def count_missing(marks: Marks, ledger: Ledger, producer: int) -> int:
    """Return how many messages of *producer* no consumer has taken."""
    taken, put = marks.of(producer), ledger.count(producer)
    assert max(taken) <= 1, "no message was given to two"
    assert not any(taken[put + 1 :]), "nothing came that was not put"
    return taken[:put].count(0)
