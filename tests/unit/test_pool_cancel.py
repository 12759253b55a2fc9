"""Cancelling: a task that waits never runs, one that runs ends with its worker, no other ends."""

import asyncio
import os
import signal
from concurrent.futures import CancelledError
from typing import Any

import pytest

import procession
from procession.pool._cancel_table import WORDS, CancelTableReader, SharedCancelTable
from tests.support import tasks
from tests.support.tasks import WORKERS
from tests.support.waiting import wait_until


class Busy:
    """Keeps all workers of a pool busy until it is left."""

    def __init__(self, pool: Any):
        self.started, self.go_on = procession.Queue(), procession.Queue()
        self.results = [
            pool.apply_async(tasks.hold, (self.started, self.go_on)) for _ in range(WORKERS)
        ]

    def __enter__(self) -> "Busy":
        self.pids = [self.started.get(timeout=30) for _ in range(WORKERS)]
        return self

    def __exit__(self, *exc: object) -> None:
        for _ in self.results:
            self.go_on.put("held")


def test_a_cancelled_task_that_waits_never_runs(pool: Any) -> None:
    ran = procession.Value("i", 0)
    with Busy(pool) as busy:
        waiting = [pool.apply_async(_count, (ran,)) for _ in range(10)]
        assert all(result.cancel() for result in waiting)
        assert all(result.cancelled() for result in waiting)
    for result in waiting:
        with pytest.raises(CancelledError, match="a call of _count"):
            result.get(0)

    assert [result.get(30) for result in busy.results] == ["held"] * WORKERS
    assert pool.map(tasks.square, range(10), 1) == [n * n for n in range(10)]
    assert ran.value == 0


def _count(count: Any) -> None:
    count.add(1)


def test_a_cancelled_task_that_runs_ends_with_its_worker_and_no_other_does(pool: Any) -> None:
    with Busy(pool) as busy:
        first, second = busy.results
        others = [pool.apply_async(tasks.square, (n,)) for n in range(10)]
        assert first.cancel()
        with pytest.raises(CancelledError):
            first.get(0)
        assert [r.get(30) for r in others] == [n * n for n in range(10)]  # by the new worker
        assert not second.ready()
    assert second.get(30) == "held"
    assert not second.cancelled()


def test_a_task_that_does_not_let_other_threads_run_is_ended(forked: Any) -> None:
    results = [forked.apply_async(sum, (range(10**12),)) for _ in range(WORKERS)]
    wait_until(lambda: all(w.state == "busy" for w in forked.stats().workers))
    assert all(result.cancel() for result in results)
    assert forked.map(tasks.square, range(4)) == [0, 1, 4, 9]


def test_a_worker_that_blocks_the_signal_is_killed(forked: Any) -> None:
    started = procession.Queue()
    result = forked.apply_async(_block_all_signals, (started,))
    pid = started.get(timeout=30)
    assert result.cancel()
    wait_until(lambda: pid not in [worker.pid for worker in forked._pool])


def _block_all_signals(started: Any) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, set(signal.Signals) | set(range(34, 65)))
    started.put(os.getpid())
    tasks.nap(60)


def test_a_call_that_has_ended_is_not_cancelled(forked: Any) -> None:
    result = forked.apply_async(tasks.square, (3,))
    result.wait()
    assert not result.cancel()
    assert not result.cancelled()
    assert result.get(0) == 9


def test_the_second_cancel_of_a_call_does_nothing(forked: Any) -> None:
    with Busy(forked):
        result = forked.apply_async(tasks.square, (3,))
        assert result.cancel()
        assert not result.cancel()
        assert result.cancelled()


def test_a_cancelled_map_ends_all_its_tasks(forked: Any) -> None:
    ran = procession.Value("i", 0)
    with Busy(forked):
        result = forked.map_async(_Counter(ran), range(2000), 1)
        assert result.cancel()
        with pytest.raises(CancelledError, match="a call of"):
            result.get(0)
    assert forked.map(tasks.square, range(5)) == [0, 1, 4, 9, 16]
    assert ran.value == 0


class _Counter:
    def __init__(self, count: Any):
        self.count = count

    def __call__(self, _: object) -> None:
        self.count.add(1)


def test_a_lost_task_that_was_cancelled_does_not_run_again(forked: Any) -> None:
    with Busy(forked) as busy:
        count = procession.Value("i", 0)
        result = forked.apply_async(tasks.die_so_often, (9, count), retries=9)
        assert result.cancel()
        assert busy.results
    assert forked.map(tasks.square, range(4), 1) == [0, 1, 4, 9]
    assert count.value == 0


def test_a_cancel_wakes_an_event_loop_and_calls_the_error_callback(forked: Any) -> None:
    async def ask(result: Any) -> None:
        asyncio.get_running_loop().call_soon(result.cancel)
        with pytest.raises(CancelledError):
            await result

    with Busy(forked):
        heard: list[BaseException] = []
        result = forked.apply_async(tasks.square, (1,), error_callback=heard.append)
        asyncio.run(ask(result))
    assert [type(error) for error in heard] == [CancelledError]


def test_a_pool_with_cancelled_tasks_can_be_closed_and_joined(ctx: Any) -> None:
    pool = ctx.Pool(WORKERS)
    with Busy(pool) as busy:
        waiting = [pool.apply_async(tasks.square, (n,)) for n in range(10)]
        for result in [*waiting, busy.results[0]]:
            assert result.cancel()
    pool.close()
    pool.join()
    assert busy.results[1].get(0) == "held"


def test_threads_skip_a_cancelled_task_that_waits_and_finish_one_that_runs() -> None:
    with procession.pool.ThreadPool(WORKERS) as pool:
        with Busy(pool) as busy:
            waiting = pool.apply_async(tasks.square, (1,))
            assert waiting.cancel()
            assert not busy.results[0].cancel()
        assert busy.results[0].get(30) == "held"
        with pytest.raises(CancelledError):
            waiting.get(0)
        assert pool.apply(tasks.square, (4,)) == 16
    pool.join()


# ------------------------------------------------------------------------------------- the table


def test_the_cancel_table_grows_and_forgets() -> None:
    """Numbers with the same entry, more numbers than entries; and workers that read."""
    block = procession._core.Block(WORDS * 8)
    header = memoryview(block).cast("Q")
    table, reader = SharedCancelTable(header), CancelTableReader(header)
    assert not reader.has(5)

    numbers = [5, 5 + 512, 5 + 1024, 5 + 2048, 7, *range(10_000, 13_000, 2)]
    for number in numbers:
        table.add(number)

    assert all(reader.has(number) for number in numbers)
    assert not any(reader.has(number) for number in (6, 5 + 4096, 10_001, 0))
    for number in numbers[:-1]:
        table.remove(number)
    assert [number for number in numbers if reader.has(number)] == numbers[-1:]
    table.remove(numbers[-1])
    assert header[0] == 0
