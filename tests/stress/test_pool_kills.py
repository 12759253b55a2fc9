"""Pools whose workers are killed at random moments: each task has exactly one end."""

import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from typing import Any

import pytest

import procession
from tests.support import tasks

# PROCESSION_STRESS=10 makes it ten times as long.
SCALE = max(1, int(os.environ.get("PROCESSION_STRESS", "1")))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(60 * SCALE)]

WORKERS = 3
KILLS = 100 * SCALE  # in each of the three ways to call: 300 in all
CYCLES = 100 * SCALE
LONGEST = 20.0 * SCALE  # seconds; a machine that is too slow for all the kills sees fewer


class Killer:
    """Kills a random worker of *pool* now and then, until it has done so often enough."""

    def __init__(self, pool: Any, kills: int, seed: int):
        self.pool, self.left, self.source = pool, kills, random.Random(seed)
        self.end = time.monotonic() + LONGEST
        self.enough = threading.Event()
        self.thread = threading.Thread(target=self.run, name="killer")

    @property
    def is_done(self) -> bool:
        return self.left == 0 or time.monotonic() > self.end

    def __enter__(self) -> "Killer":
        self.thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.enough.set()
        self.thread.join()
        print(f"{self.left} kills left")

    def run(self) -> None:
        while not self.enough.wait(self.source.uniform(0, 0.02)) and not self.is_done:
            workers = [worker for worker in self.pool.stats().workers if worker.state != "starting"]
            if workers and kill(self.source.choice(workers).pid):
                self.left -= 1


def kill(pid: int) -> bool:
    """Kill the process; False if it has ended since the pool was asked for it."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return False
    return True


def work(number: int) -> int:
    """Return *number* after a moment, whose length depends on it."""
    time.sleep(number % 5 / 2000)
    return number


OPTIONS = [{}, {"maxtasksperchild": 3}]


@pytest.fixture(params=OPTIONS, ids=["", "replaced"])
def pool(request: pytest.FixtureRequest) -> Iterator[Any]:
    with procession.get_context("fork").Pool(WORKERS, **request.param) as pool:
        yield pool
    pool.join()


def usable(pool: Any) -> bool:
    """Whether the pool does all of a map while no worker is killed."""
    return bool(pool.map(tasks.square, range(50), 1) == [n * n for n in range(50)])


def end_of(get: Callable[[], Any]) -> Any:
    """Return the result, or the class of the exception."""
    try:
        return get()
    except (procession.WorkerLostError, procession.TimeoutError, CancelledError) as error:
        return type(error)


def test_apply_async_under_kills(pool: Any) -> None:
    ends = lost = 0
    with Killer(pool, KILLS, 1) as killer:
        while not killer.is_done:
            results = [pool.apply_async(work, (n,)) for n in range(50)]
            told = [end_of(lambda r=result: r.get(60)) for result in results]
            for number, end in enumerate(told):
                assert end in (number, procession.WorkerLostError)
            lost += told.count(procession.WorkerLostError)
            ends += len(told)
    assert usable(pool)
    stats = pool.stats()
    assert stats.done + stats.lost == ends + 50
    assert stats.lost == lost


def test_imap_under_kills(pool: Any) -> None:
    with Killer(pool, KILLS, 2) as killer:
        while not killer.is_done:
            results = pool.imap_unordered(work, range(100))
            told = []
            while (end := end_of(lambda r=results: next(r, None))) is not None:
                told.append(end)
            numbers = [end for end in told if isinstance(end, int)]
            assert len(told) == 100
            assert len(set(numbers)) == len(numbers)
    assert usable(pool)


def test_map_under_kills_with_retries(pool: Any) -> None:
    """No task is lost twenty times in a row."""
    with Killer(pool, KILLS, 3) as killer:
        while not killer.is_done:
            assert pool.map(work, range(60), retries=20) == list(range(60))
            assert pool.map(work, range(60), 2, retries=20) == list(range(60))
    assert usable(pool)


def test_limits_and_cancels_under_kills(pool: Any) -> None:
    """Whatever ends a task, its caller is told once, and no other task ends with it."""
    source = random.Random(4)
    with Killer(pool, KILLS, 5) as killer:
        while not killer.is_done:
            late = [pool.apply_async(tasks.nap, (30,), timeout=0.02) for _ in range(2)]
            results = [pool.apply_async(work, (n,)) for n in range(30)]
            unwanted = source.sample(results, 8)
            cancelled = [result for result in unwanted if result.cancel()]
            for result in late:
                assert end_of(lambda r=result: r.get(60)) in (
                    procession.TimeoutError,
                    procession.WorkerLostError,
                )
            for number, result in enumerate(results):
                end = end_of(lambda r=result: r.get(60))
                if result in cancelled:
                    assert end is CancelledError
                else:
                    assert end in (number, procession.WorkerLostError)
    assert usable(pool)
    pool.close()
    pool.join()


def test_pools_are_made_used_killed_and_ended_at_random() -> None:
    """No pool hangs; as many times as there is time for."""
    source = random.Random(6)
    end = time.monotonic() + LONGEST
    cycles = 0
    while cycles < CYCLES and time.monotonic() < end:
        cycles += 1
        pool = procession.get_context("fork").Pool(source.randint(1, WORKERS))
        results = [pool.apply_async(work, (n,)) for n in range(source.randint(0, 30))]
        for _ in range(source.randint(0, 3)):
            workers = pool.stats().workers
            if workers and source.random() < 0.5:
                kill(source.choice(workers).pid)
        if source.random() < 0.5:
            pool.close()
        else:
            pool.terminate()
        pool.join()
        for number, result in enumerate(results):
            assert result.ready()
            try:
                assert result.get(0) == number
            except procession.ProcessError:
                continue
    print(f"{cycles} cycles")
    assert cycles >= 5
