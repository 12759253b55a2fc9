"""Pools of processes: what each call returns; errors; dead workers; the end."""

import itertools
import os
import queue
import signal
import threading
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

import procession
from procession.pool import MaybeEncodingError
from tests.support import tasks
from tests.support.waiting import wait_until

WORKERS = 2


@pytest.fixture
def pool(ctx: Any) -> Iterator[Any]:
    with ctx.Pool(WORKERS) as pool:
        yield pool
    pool.join()


# ------------------------------------------------------------------------------------ plain calls


def test_apply_returns_the_result_of_one_call(pool: Any) -> None:
    assert pool.apply(tasks.add, (2,), {"right": 3}) == 5


def test_map_keeps_the_order(pool: Any) -> None:
    assert pool.map(tasks.square, range(1000)) == [n * n for n in range(1000)]


@pytest.mark.parametrize("chunksize", [None, 1, 7, 1000])
def test_map_gives_the_same_whatever_the_chunks(pool: Any, chunksize: int | None) -> None:
    assert pool.map(tasks.square, range(50), chunksize) == [n * n for n in range(50)]


def test_map_of_nothing_is_an_empty_list(pool: Any) -> None:
    assert pool.map(tasks.square, []) == []
    assert list(pool.imap(tasks.square, [])) == []
    assert list(pool.imap_unordered(tasks.square, iter(()))) == []


def test_starmap_spreads_the_arguments(pool: Any) -> None:
    assert pool.starmap(tasks.add, [(1, 2), (3, 4), (5,)]) == [3, 7, 5]


@pytest.mark.parametrize("chunksize", [1, 3])
def test_imap_gives_the_results_in_order(pool: Any, chunksize: int) -> None:
    numbers = range(3000)
    assert list(pool.imap(tasks.square, numbers, chunksize)) == [n * n for n in numbers]
    assert list(pool.imap(tasks.square, iter(numbers), chunksize)) == [n * n for n in numbers]


@pytest.mark.parametrize("chunksize", [1, 3])
def test_imap_unordered_gives_each_result_once(pool: Any, chunksize: int) -> None:
    results = list(pool.imap_unordered(tasks.square, range(3000), chunksize))
    assert sorted(results) == [n * n for n in range(3000)]


def test_lists_as_items_are_not_taken_for_chunks(pool: Any) -> None:
    assert list(pool.imap(tasks.identity, [[1], [2, 3], []])) == [[1], [2, 3], []]


def test_async_results_come_in_any_order_of_asking(pool: Any) -> None:
    results = [pool.apply_async(tasks.square, (n,)) for n in range(20)]
    assert [r.get(30) for r in reversed(results)] == [n * n for n in reversed(range(20))]


def test_a_function_that_pickle_refuses_goes_by_value(pool: Any) -> None:
    offset = 10
    assert pool.map(lambda n: n + offset, range(3)) == [10, 11, 12]


factor = 3


def test_a_function_sent_by_value_takes_along_what_its_variables_are_now(
    pool: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a notebook, where a cell changes them between two calls."""

    def times(number: int) -> int:
        return number * factor

    before = pool.map(times, [1, 2])
    monkeypatch.setitem(globals(), "factor", 5)

    assert (before, pool.map(times, [1, 2])) == ([3, 6], [5, 10])


def test_an_initializer_runs_in_each_worker(ctx: Any) -> None:
    with ctx.Pool(WORKERS, tasks.remember, ("here",)) as pool:
        assert pool.map(tasks.remembered, range(10), 1) == [["here"]] * 10
    pool.join()


def test_a_queue_can_be_a_tasks_argument(pool: Any) -> None:
    box = procession.Queue()

    pool.starmap(tasks.put_into, [(box, n) for n in range(5)])

    assert sorted(box.get(timeout=10) for _ in range(5)) == list(range(5))


# ------------------------------------------------------------------------------- the prefetch


def test_imap_draws_no_more_than_its_buffer_ahead(pool: Any) -> None:
    """gh-64192: the input may be endless."""
    drawn = itertools.count()
    results = pool.imap(tasks.identity, drawn, buffersize=10)

    assert [next(results) for _ in range(100)] == list(range(100))
    assert next(drawn) <= 111


def test_results_come_while_the_input_waits(pool: Any) -> None:
    """The input may itself need the results that came before."""
    answers: queue.SimpleQueue[int] = queue.SimpleQueue()

    def dependent() -> Iterator[int]:
        yield 1
        for _ in range(3):
            yield answers.get(timeout=30) + 1

    seen = []
    for result in pool.imap(tasks.square, dependent()):
        seen.append(result)
        answers.put(result)
    assert seen == [1, 4, 25, 676]


def test_an_error_of_the_input_comes_after_the_results_before_it(pool: Any) -> None:
    def broken() -> Iterator[int]:
        yield from range(3)
        raise KeyError("input")

    results = pool.imap(tasks.square, broken())

    assert [next(results) for _ in range(3)] == [0, 1, 4]
    with pytest.raises(KeyError, match="input"):
        next(results)
    with pytest.raises(StopIteration):
        next(results)


# ------------------------------------------------------------------------------------------ errors


def test_an_exception_comes_with_its_remote_traceback(pool: Any) -> None:
    with pytest.raises(ValueError, match="no luck") as caught:
        pool.apply(tasks.fail, ("no luck",))
    assert "tasks.py" in str(caught.value.__cause__)
    assert "in fail" in str(caught.value.__cause__)


def test_imap_goes_on_after_an_exception(pool: Any) -> None:
    results = pool.imap(tasks.nap, [0, "bad", 0])
    assert next(results) == 0
    with pytest.raises(TypeError):
        next(results)
    assert next(results) == 0


def test_an_exit_in_a_task_reaches_the_caller(pool: Any) -> None:
    """gh-101081."""
    with pytest.raises(SystemExit) as caught:
        pool.apply(tasks.leave, (3,))
    assert caught.value.code == 3
    assert pool.apply(tasks.square, (3,)) == 9


def test_an_exception_that_cannot_be_rebuilt_is_named(pool: Any) -> None:
    """gh-79492, gh-103061."""
    with pytest.raises(MaybeEncodingError, match=r"NeedsTwo.*one and two") as caught:
        pool.apply(tasks.raise_needs_two)
    assert "raise_needs_two" in str(caught.value.__cause__)


def test_a_result_that_cannot_be_pickled_is_named(pool: Any) -> None:
    with pytest.raises(MaybeEncodingError, match="lambda"):
        pool.apply(tasks.a_lambda, (1,))


def test_a_result_that_cannot_be_rebuilt_raises_for_its_caller_alone(pool: Any) -> None:
    others = [pool.apply_async(tasks.square, (n,)) for n in range(5)]
    with pytest.raises(ValueError, match="cannot be rebuilt"):
        pool.apply(tasks.an_unbuildable)
    assert [r.get(30) for r in others] == [0, 1, 4, 9, 16]


def test_an_argument_that_cannot_be_pickled_raises_at_the_call(pool: Any) -> None:
    with pytest.raises(TypeError, match=r"obj\[0\]\[1\] is a lock"):
        pool.apply_async(tasks.add, (1, threading.Lock()))


def test_an_argument_that_cannot_be_rebuilt_fails_its_task_alone(pool: Any) -> None:
    with pytest.raises(ValueError, match="cannot be rebuilt"):
        pool.apply(tasks.identity, (tasks.Unbuildable(),))
    assert pool.apply(tasks.square, (3,)) == 9


def test_a_failing_initializer_is_the_error_of_each_call(ctx: Any) -> None:
    with ctx.Pool(WORKERS, tasks.fail, ("initializer",)) as pool:
        with pytest.raises(ValueError, match="initializer"):
            pool.apply(tasks.square, (1,))
        with pytest.raises(ValueError, match="initializer"):
            pool.map(tasks.square, [1])
    pool.join()


# ------------------------------------------------------------------------------------ dead workers


def test_a_killed_worker_costs_its_task_and_no_other(pool: Any) -> None:
    lost = pool.apply_async(tasks.die)
    others = [pool.apply_async(tasks.square, (n,)) for n in range(20)]

    with pytest.raises(procession.WorkerLostError, match=r"pid \d+.*SIGKILL.*a call of die"):
        lost.get(30)
    assert [r.get(30) for r in others] == [n * n for n in range(20)]


def test_a_worker_that_is_killed_from_outside_is_replaced(pool: Any) -> None:
    for _ in range(3):
        os.kill(pool.apply(tasks.pid), signal.SIGKILL)
        assert pool.map(tasks.square, range(10), 1) == [n * n for n in range(10)]
    wait_until(lambda: len(pool._pool) == WORKERS)


def test_a_map_with_a_killed_worker_names_the_items(pool: Any) -> None:
    with pytest.raises(procession.WorkerLostError, match=r"items? \d+.* of a map of die_at"):
        pool.starmap(tasks.die_at, [(n, 7) for n in range(20)], 2)


def test_an_imap_gives_the_other_results_of_a_killed_worker(pool: Any) -> None:
    results = pool.imap_unordered(_die_at_seven, range(20))
    seen, lost = [], 0
    while True:
        try:
            seen.append(next(results))
        except StopIteration:
            break
        except procession.WorkerLostError:
            lost += 1
    assert lost == 1
    assert sorted(seen) == [n for n in range(20) if n != 7]


def _die_at_seven(number: int) -> int:
    return tasks.die_at(number, 7)


def test_workers_are_replaced_after_maxtasksperchild_tasks(ctx: Any) -> None:
    with ctx.Pool(1, maxtasksperchild=2) as pool:
        pids = [pool.apply(tasks.pid) for _ in range(6)]
    pool.join()
    assert [len(set(pair)) for pair in (pids[0:2], pids[2:4], pids[4:6])] == [1, 1, 1]
    assert len(set(pids)) == 3


# -------------------------------------------------------------------------------------- async, end


def test_a_result_that_is_not_there_in_time_is_a_timeout(pool: Any) -> None:
    started, go_on = procession.Queue(), procession.Queue()
    result = pool.apply_async(tasks.hold, (started, go_on))
    with pytest.raises(procession.TimeoutError):
        result.get(timeout=0.05)
    assert not result.ready()
    with pytest.raises(ValueError, match="not ready"):
        result.successful()
    go_on.put("done")
    assert result.get(30) == "done"
    assert result.successful()


def test_next_with_a_timeout(pool: Any) -> None:
    started, go_on = procession.Queue(), procession.Queue()
    results = pool.imap(lambda _: tasks.hold(started, go_on), [1])
    with pytest.raises(procession.TimeoutError):
        results.next(timeout=0.05)
    go_on.put("done")
    assert results.next(timeout=30) == "done"


def test_callbacks_run_though_nobody_waits(pool: Any) -> None:
    heard: queue.SimpleQueue[Any] = queue.SimpleQueue()
    pool.apply_async(tasks.square, (4,), callback=heard.put)
    assert heard.get(timeout=30) == 16
    pool.map_async(tasks.square, [1, 2], callback=heard.put)
    assert heard.get(timeout=30) == [1, 4]
    pool.apply_async(tasks.fail, ("told",), error_callback=heard.put)
    assert isinstance(heard.get(timeout=30), ValueError)


def test_threads_that_wait_receive_for_each_other(pool: Any) -> None:
    answers: dict[int, int] = {}

    def ask(number: int) -> None:
        for i in range(50):
            answers[number * 50 + i] = pool.apply(tasks.square, (number * 50 + i,))

    threads = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {n: n * n for n in range(200)}


def test_close_and_join_finish_what_was_given(ctx: Any) -> None:
    pool = ctx.Pool(WORKERS)
    result = pool.map_async(tasks.square, range(500), 1)
    pool.close()
    with pytest.raises(ValueError, match="Pool not running"):
        pool.apply(tasks.square, (1,))
    pool.join()
    assert result.get(0) == [n * n for n in range(500)]


def test_join_needs_an_end(pool: Any) -> None:
    with pytest.raises(ValueError, match="still running"):
        pool.join()


def test_terminate_ends_busy_workers_and_tells_their_callers(ctx: Any) -> None:
    pool = ctx.Pool(WORKERS)
    started, go_on = procession.Queue(), procession.Queue()
    results = [pool.apply_async(tasks.hold, (started, go_on)) for _ in range(2 * WORKERS)]
    pids = [started.get(timeout=30) for _ in range(WORKERS)]

    pool.terminate()
    pool.join()

    for pid in pids:  # the fork server collects its children when it comes to it
        wait_until(lambda pid=pid: is_gone(pid))
    for result in results:
        with pytest.raises(procession.ProcessError, match="terminated"):
            result.get(0)


def is_gone(pid: int) -> bool:
    """Whether the process has ended, collected by its parent or not."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_forgotten_pool_warns_and_ends(ctx: Any) -> None:
    pool = ctx.Pool(WORKERS)
    with pytest.warns(ResourceWarning, match="unclosed running multiprocessing pool"):
        del pool  # the fixture that watches for processes left behind does the rest


def test_a_pool_is_not_sent(pool: Any) -> None:
    with pytest.raises(NotImplementedError, match="cannot be passed"):
        pool.apply_async(tasks.identity, (pool,))


def test_a_worker_may_have_a_pool(pool: Any) -> None:
    """Wish 20: "daemonic processes are not allowed to have children"."""
    assert pool.apply(tasks.squares_by_a_pool, (5,)) == [0, 1, 4, 9, 16]
