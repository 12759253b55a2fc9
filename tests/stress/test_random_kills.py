"""Producers and consumers killed from outside, at random instants.

Idea: kills at named points reach what was thought of; these reach the rest. Every message names its
producer and its number and carries a checksum, so that one that is torn, doubled, out of order or
missing shows. Only the one that a consumer was just taking when it was killed may be gone.
"""

import hashlib
import os
import queue as standard_queue
import random
import signal
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest

from procession import _core
from tests.support.kill import TIMEOUT, Child, memory_unchanged

KILLS = 100  # of producers, and as many of consumers
LONGEST_LIFE = 0.03  # seconds
SIZES = (0, 10, 500, 3000, 20_000, 300_000)  # bytes: records and blocks of their own
DEPTH = 64


@pytest.fixture(autouse=True)
def nothing_leaks(family: None) -> Iterator[None]:
    """After each test the dead were reaped, and no more memory is in use than before."""
    with memory_unchanged():
        yield


def seeded() -> random.Random:
    """Return a generator whose seed is in the report, and can be given (PROCESSION_TEST_SEED)."""
    seed = int(os.environ.get("PROCESSION_TEST_SEED") or random.randrange(1 << 32))
    print(f"PROCESSION_TEST_SEED={seed}")
    return random.Random(seed)


Message = tuple[int, int, bytes, bytes]  # producer, number, data, digest


def message(producer: int, number: int) -> Message:
    """The *number*-th message of a producer."""
    size = SIZES[(producer + number) % len(SIZES)]
    data = (f"{producer}/{number} ".encode() * (size // 4 + 1))[:size]
    return producer, number, data, hashlib.blake2b(data, digest_size=8).digest()


def is_whole(got: Message) -> bool:
    """Whether the message is what its producer must have put."""
    return got == message(got[0], got[1])


class Ledger:
    """What was put and what was got, per producer, in shared memory: survives whoever writes it."""

    def __init__(self, producers: int) -> None:
        self._block = _core.Block(8 * producers)
        self._words = memoryview(self._block).cast("Q")

    def write(self, producer: int, number: int) -> None:
        """The *number*-th message of *producer* has been put."""
        self._words[producer] = number + 1

    def count(self, producer: int) -> int:
        """How many messages *producer* has completely put."""
        return self._words[producer]


def produce(queue: Any, ledger: Ledger, producer: int) -> None:
    """Put messages until killed."""
    number = 0
    while True:
        queue.put(message(producer, number))
        ledger.write(producer, number)
        number += 1


def consume(queue: Any, results: Any) -> None:
    """Get messages until killed; pass on who sent them, and whether they were whole."""
    while True:
        got = queue.get()
        results.put((got[0], got[1], is_whole(got)))


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("maxsize", [0, DEPTH], ids=["unbounded", "bounded"])
def test_producers_killed_at_random_lose_nothing_but_what_they_had_not_put(maxsize: int) -> None:
    """A hundred producers, two at a time, each killed within 30 ms."""
    chance = seeded()
    queue, ledger = _core.Channel(maxsize), Ledger(KILLS)
    seen: dict[int, int] = defaultdict(int)
    running: list[tuple[int, Child, float]] = []
    started = 0
    while started < KILLS or running:
        while len(running) < 2 and started < KILLS:
            child = Child(lambda: produce(queue, ledger, started))  # noqa: B023
            end = time.monotonic() + chance.uniform(0, LONGEST_LIFE)
            running.append((started, child, end))
            started += 1
        take_some(queue, seen, timeout=0.001)
        for entry in [entry for entry in running if time.monotonic() > entry[2]]:
            entry[1].kill()
            assert entry[1].wait() == -signal.SIGKILL
            running.remove(entry)
    while take_some(queue, seen, timeout=0):
        pass
    for producer in range(KILLS):
        assert ledger.count(producer) <= seen[producer] <= ledger.count(producer) + 1
    assert sum(seen.values()) > KILLS


def take_some(queue: Any, seen: dict[int, int], timeout: float) -> bool:
    """Take up to a few messages, each of them the next of its producer; whether there was one."""
    for taken in range(DEPTH):
        try:
            got = queue.get(timeout=timeout)
        except standard_queue.Empty:
            return taken > 0
        assert is_whole(got)
        assert got[1] == seen[got[0]], "messages of one producer must come in order, each once"
        seen[got[0]] += 1
    return True


@pytest.mark.slow
@pytest.mark.timeout(60)
@pytest.mark.parametrize("maxsize", [0, DEPTH], ids=["unbounded", "bounded"])
def test_consumers_killed_at_random_take_at_most_one_message_each_with_them(maxsize: int) -> None:
    """A hundred consumers, two at a time, each killed within 30 ms; all else arrives, once."""
    chance = seeded()
    queue, results = _core.Channel(maxsize), _core.Channel()
    put, started, lost_at_most = 0, 0, KILLS
    running: list[tuple[Child, float]] = []
    while started < KILLS or running:
        while len(running) < 2 and started < KILLS:
            child = Child(lambda: consume(queue, results))
            running.append((child, time.monotonic() + chance.uniform(0, LONGEST_LIFE)))
            started += 1
        for _ in range(DEPTH - queue.qsize()):  # consumers may be as fast: this must end
            queue.put(message(0, put), timeout=TIMEOUT)
            put += 1
        for entry in [entry for entry in running if time.monotonic() > entry[1]]:
            entry[0].kill()
            assert entry[0].wait() == -signal.SIGKILL
            running.remove(entry)
    left = [got[1] for got in take_all(queue)]
    numbers = [number for _, number, whole in take_all(results) if whole]
    assert left == list(range(put - len(left), put)), "what nobody took is the end, in order"
    assert len(numbers) == len(set(numbers)), "no message was given to two"
    assert set(numbers).isdisjoint(left)
    assert put - len(left) - len(numbers) <= lost_at_most
    assert len(numbers) > KILLS


def take_all(queue: Any) -> list[Any]:
    """Take what is there; each message of the first queue must be whole."""
    found = [queue.get(timeout=0) for _ in range(queue.qsize())]
    assert queue.empty()
    assert all(is_whole(got) for got in found if len(got) == 4)
    return found


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_both_ends_killed_at_random_by_turns() -> None:
    """Two producers and two consumers, one of the four killed every few milliseconds."""
    chance = seeded()
    queue, results, ledger = _core.Channel(DEPTH), _core.Channel(), Ledger(2 * KILLS)
    producers: list[tuple[int, Child]] = []
    consumers: list[Child] = []
    kills = {"producers": 0, "consumers": 0}
    begun = 0
    while sum(kills.values()) < 2 * KILLS:
        while len(producers) < 2:
            producers.append((begun, Child(lambda: produce(queue, ledger, begun))))  # noqa: B023
            begun += 1
        while len(consumers) < 2:
            consumers.append(Child(lambda: consume(queue, results)))
        time.sleep(chance.uniform(0, LONGEST_LIFE / 2))  # the random instant
        if chance.random() < 0.5 and begun < 2 * KILLS:
            dying, which = producers.pop(chance.randrange(2))[1], "producers"
        else:
            dying, which = consumers.pop(chance.randrange(2)), "consumers"
        dying.kill()
        assert dying.wait() == -signal.SIGKILL
        kills[which] += 1
    for survivor in [*(child for _, child in producers), *consumers]:
        survivor.kill()
        survivor.wait()
    check_both_ends(queue, results, ledger, begun, lost=kills["consumers"] + 2)


def check_both_ends(queue: Any, results: Any, ledger: Ledger, producers: int, lost: int) -> None:
    """All that was put arrived or is left, once, but for *lost*."""
    left = [(got[0], got[1]) for got in take_all(queue)]
    reported = take_all(results)
    assert all(whole for _, _, whole in reported)
    arrived = [(producer, number) for producer, number, _ in reported] + left
    assert len(arrived) == len(set(arrived)), "no message was given to two"
    numbers: dict[int, list[int]] = defaultdict(list)
    for producer, number in arrived:
        numbers[producer].append(number)
    for producer in range(producers):
        ours = [number for who, number in left if who == producer]
        assert ours == sorted(ours)
        assert len(numbers[producer]) <= ledger.count(producer) + 1
    put = sum(ledger.count(producer) for producer in range(producers))
    assert len(arrived) >= put - lost
    assert len(arrived) > lost
