"""The options of a pool's calls: retries and a time limit; and results that are awaited."""

import asyncio
import os
import signal
import threading
import time
from typing import Any

import pytest

import procession
from tests.support import tasks

# ----------------------------------------------------------------------------------------- retries


def test_a_lost_task_runs_again(pool: Any) -> None:
    count = procession.Value("i", 0)
    assert pool.apply(tasks.die_so_often, (2, count), retries=2) == 3


def test_a_task_that_is_lost_more_often_than_its_retries_is_lost(forked: Any) -> None:
    count = procession.Value("i", 0)
    with pytest.raises(procession.WorkerLostError, match="a call of die_so_often"):
        forked.apply(tasks.die_so_often, (3, count), retries=2)
    assert count.value == 3


def test_a_task_that_raises_does_not_run_again(forked: Any) -> None:
    count = procession.Value("i", 0)

    with pytest.raises(ValueError, match="once"):
        forked.apply(_count_and_fail, (count,), retries=5)
    assert count.value == 1


def _count_and_fail(count: Any) -> None:
    count.add(1)
    raise ValueError("once")


@pytest.mark.parametrize("call", ["map", "imap", "imap_unordered"])
def test_each_lost_item_runs_again(forked: Any, call: str) -> None:
    seen = procession.Array("b", 20)
    function = _DieOnce(seen)
    results = getattr(forked, call)(function, list(range(20)), 2, retries=2)
    assert sorted(results) == list(range(20))


def test_each_lost_item_of_a_starmap_runs_again(forked: Any) -> None:
    seen = procession.Array("b", 8)
    items = [(n, seen) for n in range(8)]
    assert forked.starmap(tasks.die_once_each, items, 1, retries=1) == list(range(8))


class _DieOnce:
    def __init__(self, seen: Any):
        self.seen = seen

    def __call__(self, number: int) -> int:
        return tasks.die_once_each(number, self.seen)


@pytest.mark.parametrize("bad", [-1, 1.5])
def test_retries_are_a_number(forked: Any, bad: Any) -> None:
    with pytest.raises(ValueError, match="retries"):
        forked.apply(tasks.square, (1,), retries=bad)


# ----------------------------------------------------------------------------------------- timeout


def test_a_task_that_takes_too_long_ends_with_its_worker(pool: Any) -> None:
    before = time.monotonic()
    late = pool.apply_async(tasks.nap, (30,), timeout=0.2)
    others = [pool.apply_async(tasks.square, (n,)) for n in range(20)]

    with pytest.raises(
        procession.TimeoutError, match=r"a call of nap took longer.*0\.2 s; worker.*pid \d+"
    ):
        late.get(30)
    assert time.monotonic() - before >= 0.2
    assert [r.get(30) for r in others] == [n * n for n in range(20)]


def test_a_limit_ends_a_task_that_lets_no_other_thread_run(forked: Any) -> None:
    """While C code holds the interpreter's lock no Python signal handler runs."""
    with pytest.raises(procession.TimeoutError, match="took longer"):
        forked.apply(_endless, timeout=0.2)


def _endless() -> int:
    return sum(range(10**12))


def test_the_limit_counts_from_the_start_of_the_run(forked: Any) -> None:
    """The time that a task waits in the queue does not count."""
    results = [forked.apply_async(tasks.nap, (0.2,), timeout=0.35) for _ in range(6)]
    assert [r.get(30) for r in results] == [0.2] * 6


def test_a_limit_ends_with_its_task(forked: Any) -> None:
    for _ in range(4):
        assert forked.apply(tasks.square, (3,), timeout=0.1) == 9
    assert forked.map(tasks.nap, [0.2, 0.2], 1) == [0.2, 0.2]


def test_each_item_of_a_map_has_the_limit(forked: Any) -> None:
    with pytest.raises(procession.TimeoutError, match=r"item 2 of a map of nap"):
        forked.map(tasks.nap, [0, 0, 30, 0], timeout=0.2)
    assert forked.map(tasks.nap, [0.1] * 8, 4, timeout=0.3) == [0.1] * 8


def test_an_imap_goes_on_after_an_item_that_took_too_long(forked: Any) -> None:
    results = forked.imap(tasks.nap, [0, 30, 0], timeout=0.2)
    assert next(results) == 0
    with pytest.raises(procession.TimeoutError, match="item 1"):
        next(results)
    assert next(results) == 0


def test_a_worker_killed_by_another_is_lost_though_it_had_a_limit(forked: Any) -> None:
    started, go_on = procession.Queue(), procession.Queue()
    result = forked.apply_async(tasks.hold, (started, go_on), timeout=60)
    os.kill(started.get(timeout=30), signal.SIGKILL)
    with pytest.raises(procession.WorkerLostError):
        result.get(30)


def test_a_task_that_took_too_long_does_not_run_again(forked: Any) -> None:
    with pytest.raises(procession.TimeoutError):
        forked.apply(tasks.nap, (30,), timeout=0.1, retries=3)


@pytest.mark.parametrize("bad", [0, -1, float("nan")])
def test_a_limit_is_more_than_0(forked: Any, bad: float) -> None:
    with pytest.raises(ValueError, match="timeout must be more than 0"):
        forked.apply(tasks.square, (1,), timeout=bad)


def test_threads_have_no_time_limit(forked: Any) -> None:
    with procession.pool.ThreadPool(1) as pool, pytest.raises(ValueError, match="cannot be ended"):
        pool.apply(tasks.square, (1,), timeout=1)
    pool.join()


# ------------------------------------------------------------------------------------------- await


def test_results_are_awaited_without_a_thread_each(forked: Any) -> None:
    async def ask() -> tuple[list[int], int]:
        results = [forked.apply_async(tasks.square, (n,)) for n in range(50)]
        answers = await asyncio.gather(*map(_awaited, results))
        return answers, threading.active_count()

    before = threading.active_count()
    answers, after = asyncio.run(ask())

    assert answers == [n * n for n in range(50)]
    assert after - before <= 1  # the thread of the pool


async def _awaited(result: Any) -> Any:
    return await result


def test_the_loop_goes_on_while_a_result_is_awaited(forked: Any) -> None:
    async def ask() -> int:
        started, go_on = procession.Queue(), procession.Queue()
        waiting = asyncio.ensure_future(_awaited(forked.apply_async(tasks.hold, (started, go_on))))
        await started.aget()
        assert not waiting.done()
        go_on.put(5)
        return await waiting

    assert asyncio.run(ask()) == 5


def test_an_awaited_failure_raises(forked: Any) -> None:
    async def ask() -> None:
        await forked.apply_async(tasks.fail, ("awaited",))

    with pytest.raises(ValueError, match="awaited"):
        asyncio.run(ask())


def test_an_awaited_map_gives_its_list(forked: Any) -> None:
    async def ask() -> list[int]:
        done = forked.map_async(tasks.square, range(5))
        done.wait()
        return await done + await forked.map_async(tasks.square, range(5))

    assert asyncio.run(ask()) == [0, 1, 4, 9, 16] * 2


def test_a_cancelled_await_leaves_the_call_alone(forked: Any) -> None:
    async def ask() -> str:
        started, go_on = procession.Queue(), procession.Queue()
        result = forked.apply_async(tasks.hold, (started, go_on))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_awaited(result), 0.05)
        go_on.put("still there")
        return await result

    assert asyncio.run(ask()) == "still there"


def test_a_loop_may_be_closed_before_the_result_comes(forked: Any) -> None:
    started, go_on = procession.Queue(), procession.Queue()
    result = forked.apply_async(tasks.hold, (started, go_on))

    async def give_up() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(_awaited(result), 0.05)

    asyncio.run(give_up())
    go_on.put("done")
    assert result.get(30) == "done"
    assert forked.apply(tasks.square, (2,)) == 4
