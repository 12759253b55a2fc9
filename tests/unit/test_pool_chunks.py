"""How a map is cut, by the clock of a simulation: the figures are the same everywhere."""

import heapq
import random
import threading
from collections.abc import Callable
from typing import Any

import pytest

import procession
from procession.pool._chunking import AdaptiveChunks
from tests.support import tasks
from tests.support.tasks import WORKERS

MESSAGE_NS = 40_000  # what a chunk costs beside its items

NS_PER_MS = 1_000_000


def simulate(lengths: list[int], workers: int) -> tuple[list[int], int]:
    """Let *workers* do items of so many nanoseconds.

    Returns:
        The sizes of the chunks, and the time when all was done.
    """
    chunks = AdaptiveChunks(len(lengths), workers)
    sizes: list[int] = []
    waiting: list[tuple[int, int]] = []
    running: list[tuple[int, int, int]] = []  # when it is done, items, how long they take
    idle, now = workers, 0
    while True:
        while chunks.wants_more(len(waiting) + len(running)):
            chunk = chunks.next()
            sizes.append(chunk[1] - chunk[0])
            waiting.append(chunk)
        while waiting and idle:
            start, end = waiting.pop(0)
            took = sum(lengths[start:end])
            heapq.heappush(running, (now + took + MESSAGE_NS, end - start, took))
            idle -= 1
        if not running:
            return sizes, now
        now, items, took = heapq.heappop(running)
        chunks.add_measurement(items, took)
        idle += 1


@pytest.mark.bare
@pytest.mark.parametrize("seed", range(10))
def test_the_makespan_of_heavy_tailed_tasks_is_near_the_ideal(seed: int) -> None:
    """2,000 tasks, few of which take most of the time: at most 1.1 times what cannot be beaten."""
    source = random.Random(seed)
    lengths = [
        min(int(NS_PER_MS * source.paretovariate(1.1)), 500 * NS_PER_MS) for _ in range(2000)
    ]

    sizes, end = simulate(lengths, 4)

    assert sum(sizes) == 2000
    assert end <= 1.1 * max(sum(lengths) / 4, max(lengths))


@pytest.mark.bare
def test_tiny_items_are_sent_by_the_thousand() -> None:
    sizes, _ = simulate([100] * 100_000, WORKERS)
    assert sum(sizes) == 100_000
    assert len(sizes) < 40


@pytest.mark.bare
def test_long_items_are_sent_singly() -> None:
    sizes, _ = simulate([20 * NS_PER_MS] * 300, WORKERS)
    assert sizes == [1] * 300


@pytest.mark.bare
def test_chunks_become_smaller_towards_the_end() -> None:
    sizes, _ = simulate([NS_PER_MS // 10] * 2000, WORKERS)
    assert max(sizes) >= 32
    assert sizes[-1] <= 4


# ------------------------------------------------------------------------------ the adaptive map


@pytest.mark.parametrize("kind", [list, tuple, iter, set])
def test_any_iterable_is_mapped(forked: Any, kind: Callable[[Any], Any]) -> None:
    assert sorted(forked.map(tasks.square, kind(range(3000)))) == [n * n for n in range(3000)]


def test_what_cannot_be_sent_fails_the_map_and_the_pool_goes_on(forked: Any) -> None:
    items = [*range(500), threading.Lock(), *range(500)]
    with pytest.raises(TypeError, match="lock"):
        forked.map(tasks.identity, items)
    with pytest.raises(TypeError, match="lock"):
        forked.map(tasks.identity, [threading.Lock() for _ in range(3000)])
    assert forked.map(tasks.square, range(3)) == [0, 1, 4]


def test_all_items_are_done_though_one_fails(forked: Any) -> None:
    count = procession.Value("i", 0)
    with pytest.raises(ValueError, match="item 3"):
        forked.map(_Counting(count), range(200))
    assert count.value == 200


class _Counting:
    def __init__(self, count: Any):
        self.count = count

    def __call__(self, number: int) -> None:
        self.count.add(1)
        if number == 3:
            raise ValueError("item 3")


def test_a_pool_that_is_closed_meanwhile_finishes_the_map() -> None:
    pool = procession.get_context("fork").Pool(WORKERS)
    results: list[int] = []
    started, go_on = procession.Queue(), procession.Queue()
    waiting = threading.Thread(
        target=lambda: results.extend(pool.map(_Held(started, go_on), range(1000)))
    )
    waiting.start()
    started.get(timeout=30)

    pool.close()
    go_on.put(None)
    pool.join()

    waiting.join(30)
    assert results == list(range(1000))


class _Held:
    def __init__(self, started: Any, go_on: Any):
        self.started, self.go_on = started, go_on

    def __call__(self, number: int) -> int:
        if number == 0:
            self.started.put(None)
            self.go_on.get(timeout=30)
        return number


def test_a_pool_that_is_terminated_meanwhile_ends_the_map() -> None:
    pool = procession.get_context("fork").Pool(WORKERS)
    errors: list[BaseException] = []
    started, go_on = procession.Queue(), procession.Queue()

    def ask() -> None:
        try:
            pool.map(_Held(started, go_on), range(1000))
        except procession.ProcessError as error:
            errors.append(error)

    waiting = threading.Thread(target=ask)
    waiting.start()
    started.get(timeout=30)

    pool.terminate()

    waiting.join(30)
    pool.join()
    assert "terminated" in str(errors[0])
