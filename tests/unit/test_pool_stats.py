"""`Pool.stats`: how tasks have ended, and what the workers do."""

import os
from typing import Any

import pytest

import procession
from tests.support import tasks
from tests.support.waiting import wait_until

WORKERS = 2


def test_each_task_is_counted_by_its_end() -> None:
    with procession.get_context("fork").Pool(WORKERS) as pool:
        count = procession.Value("i", 0)
        pool.map(tasks.square, range(6), 2)
        pool.apply(tasks.die_so_often, (2, count), retries=2)
        for error, call, options in (
            (ValueError, (tasks.fail, ("no luck",)), {}),
            (procession.WorkerLostError, (tasks.die,), {}),
            (procession.TimeoutError, (tasks.nap, (30,)), {"timeout": 0.05}),
            (procession.pool.MaybeEncodingError, (tasks.a_lambda, (1,)), {}),
        ):
            with pytest.raises(error):
                pool.apply(*call, **options)
        started, go_on = procession.Queue(), procession.Queue()
        running = pool.apply_async(tasks.hold, (started, go_on))
        started.get(timeout=30)
        running.cancel()

        stats = pool.stats()

        assert (stats.done, stats.failed, stats.lost) == (4, 2, 1)
        assert (stats.retried, stats.timed_out, stats.cancelled) == (2, 1, 1)
        assert stats.queued == 0
    pool.join()


def test_busy_workers_are_shown_with_their_tasks(ctx: Any) -> None:
    with ctx.Pool(WORKERS, name="seen") as pool:
        started, go_on = procession.Queue(), procession.Queue()
        results = [pool.apply_async(tasks.hold, (started, go_on)) for _ in range(WORKERS + 3)]
        pids = {started.get(timeout=30) for _ in range(WORKERS)}

        stats = pool.stats()

        assert stats.queued == 3
        assert {worker.pid for worker in stats.workers} == pids
        assert {worker.name for worker in stats.workers} == {"seen-1", "seen-2"}
        assert {worker.state for worker in stats.workers} == {"busy"}
        assert {worker.task for worker in stats.workers} == {"a call of hold"}
        assert all(worker.age is not None and worker.age >= 0 for worker in stats.workers)
        before = stats.workers[0].age
        wait_until(lambda: pool.stats().workers[0].age > before)
        for _ in results:
            go_on.put("on")
        for result in results:
            result.get(30)
        wait_until(lambda: {w.state for w in pool.stats().workers} == {"idle"})
        assert pool.stats().workers[0].task is None
    pool.join()


def test_a_pool_of_threads_has_the_same_stats() -> None:
    with procession.pool.ThreadPool(WORKERS) as pool:
        pool.map(tasks.square, range(10), 1)
        started, go_on = procession.Queue(), procession.Queue()
        result = pool.apply_async(tasks.hold, (started, go_on))
        started.get(timeout=30)

        stats = pool.stats()

        assert stats.done == 10
        assert sorted(worker.state for worker in stats.workers) == ["busy", "idle"]
        assert {worker.pid for worker in stats.workers} == {os.getpid()}
        go_on.put("on")
        result.get(30)
    pool.join()
