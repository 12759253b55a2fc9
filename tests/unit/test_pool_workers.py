"""The options of a pool's workers: names, random states, limits, a state; and lost workers."""

import importlib.machinery
import os
import signal
import sys
import types
from typing import Any

import pytest

import procession
from procession.pool import worker_state
from tests.support import run_python, tasks

WORKERS = 2


def test_workers_have_the_name_of_the_pool(ctx: Any) -> None:
    with ctx.Pool(WORKERS, name="tiler") as pool:
        names = set(pool.map(tasks.process_name, range(20), 1))
        assert {worker.name for worker in pool._pool} == {"tiler-1", "tiler-2"}
    pool.join()
    assert names <= {"tiler-1", "tiler-2"}


# ------------------------------------------------------------------------------------------- seeds


def _first_draws(context: Any, **options: Any) -> list[float]:
    """Return one random number of each worker, in order of their names."""
    with context.Pool(1, maxtasksperchild=1, **options) as pool:
        return [pool.apply(tasks.draw)[1] for _ in range(3)]


def test_a_seed_makes_random_numbers_repeatable_and_each_worker_has_its_own(ctx: Any) -> None:
    first, again = (_first_draws(ctx, seed=7) for _ in range(2))
    assert first == again
    assert len(set(first)) == 3
    assert _first_draws(ctx, seed=8) != first


def test_without_a_seed_workers_are_distinct(ctx: Any) -> None:
    draws = _first_draws(ctx)
    assert len(set(draws)) == 3
    assert _first_draws(ctx) != draws


def test_numpy_is_seeded_where_it_is_loaded() -> None:
    pytest.importorskip("numpy.random")
    context = procession.get_context("fork")

    def draws() -> list[float]:
        with context.Pool(1, maxtasksperchild=1, seed="repeatable") as pool:
            return [pool.apply(tasks.draw_numpy) for _ in range(2)]

    first = draws()
    assert first == draws()
    assert first[0] != first[1]


def test_a_seed_is_an_int_or_a_str() -> None:
    with pytest.raises(TypeError, match="seed must be"):
        procession.Pool(1, seed=object())


# --------------------------------------------------------------------- memory, state, threads


def test_a_worker_that_has_grown_is_replaced_and_no_task_is_lost(ctx: Any) -> None:
    with ctx.Pool(1, max_memory_per_child=400_000_000) as pool:
        pids = pool.map(tasks.pid, range(10), 1)
        assert len(set(pids)) == 1
        hoarder = pool.apply(tasks.hoard, (450_000_000,))
        assert hoarder == pids[0]
        assert pool.apply(tasks.pid) not in (hoarder, None)
        sizes = [10, 450_000_000, 10, 10, 450_000_000, 10] * 2
        results = pool.map(tasks.hoard, sizes, 1)
        assert len(results) == 12
        assert len(set(results)) == 5
        assert pool.stats().lost == 0
    pool.join()


def test_worker_init_makes_the_state_for_tasks_and_worker_exit(ctx: Any) -> None:
    ended = procession.Queue()
    with ctx.Pool(1, worker_init=_Init(ended), worker_exit=_exit) as pool:
        assert pool.map(_state, range(3), 1) == [1, 2, 3]
        pool.close()
        pool.join()
    assert ended.get(timeout=10) == 3


def test_worker_exit_is_called_in_each_replaced_worker() -> None:
    ended = procession.Queue()
    context = procession.get_context("fork")
    with context.Pool(1, None, (), 2, worker_init=_Init(ended), worker_exit=_exit) as pool:
        assert pool.map(_state, range(4), 1) == [1, 2, 1, 2]
        assert [ended.get(timeout=10) for _ in range(2)] == [2, 2]
    pool.join()


class _Init:
    def __init__(self, ended: Any):
        self.ended = ended

    def __call__(self) -> list[Any]:
        return [self.ended, 0]


def _state(_: object) -> int:
    state = worker_state()
    state[1] += 1
    count: int = state[1]
    return count


def _exit(state: list[Any]) -> None:
    state[0].put(state[1])


def test_a_failing_worker_init_is_the_error_of_each_call() -> None:
    with (
        procession.get_context("fork").Pool(1, worker_init=_no_init) as pool,
        pytest.raises(ValueError, match="no init"),
    ):
        pool.apply(tasks.square, (1,))
    pool.join()


def _no_init() -> None:
    raise ValueError("no init")


def test_there_is_no_state_outside_such_a_worker() -> None:
    with pytest.raises(RuntimeError, match="worker_init"):
        worker_state()
    with procession.get_context("fork").Pool(1) as pool:
        with pytest.raises(RuntimeError, match="worker_init"):
            pool.apply(worker_state)
        with pytest.raises(ValueError, match="there must be one"):
            procession.Pool(1, worker_exit=_exit)
    pool.join()


def test_libraries_find_their_number_of_threads_when_they_are_imported(ctx: Any) -> None:
    before = dict(os.environ)
    with ctx.Pool(1, threads_per_worker=3, initializer=tasks.NeedsThreads(3)) as pool:
        assert pool.apply(os.getenv, ("OMP_NUM_THREADS",)) == "3"
        assert pool.apply(os.getenv, ("MKL_NUM_THREADS",)) == "3"
    pool.join()
    assert dict(os.environ) == before


def test_a_library_that_is_loaded_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """By threadpoolctl, if that is installed; here by an object in its place."""
    limit = procession.Array("i", 1)
    stand_in = types.ModuleType("threadpoolctl")
    stand_in.__spec__ = importlib.machinery.ModuleSpec("threadpoolctl", None)
    stand_in.threadpool_limits = lambda limits: limit.__setitem__(0, limits)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "threadpoolctl", stand_in)
    with procession.get_context("fork").Pool(1, threads_per_worker=2) as pool:
        pool.apply(tasks.pid)
    pool.join()
    assert limit[0] == 2


# -------------------------------------------------------------------------------------------- loss

# Not in this process: pytest has the dumps of its own crash go to a descriptor of its own.
CRASH = """
import ctypes, pickle, sys
import procession

def crash(where):
    ctypes.string_at(where)

if __name__ == "__main__":
    with procession.get_context(sys.argv[1]).Pool(1) as pool:
        try:
            pool.apply(crash, (0,))
        except procession.WorkerLostError as error:
            again = pickle.loads(pickle.dumps(error))
            assert str(again) == str(error) and again.last_words == error.last_words
            print(error.exitcode, error.pid > 0, "in crash" in error.last_words)
            print(error)
    pool.join()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_last_words_of_a_worker_that_crashed_are_told(method: str) -> None:
    said = run_python(CRASH, method).stdout

    assert said.startswith(f"{-signal.SIGSEGV} True True\n")
    assert "was killed by SIGSEGV, while it ran a call of crash. Its last words:\nFatal" in said


def _threads_of_an_inner_worker(count: int) -> str:
    with procession.Pool(1, threads_per_worker=count) as pool:
        return pool.apply_async(os.getenv, ("OMP_NUM_THREADS",)).get(timeout=30)


def test_a_worker_with_a_share_of_threads_may_have_a_pool_with_another(ctx: Any) -> None:
    """A forked worker started while its parent was changing the environment for it."""
    with ctx.Pool(1, threads_per_worker=3) as pool:
        assert pool.apply_async(_threads_of_an_inner_worker, (2,)).get(timeout=60) == "2"
