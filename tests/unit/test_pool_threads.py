"""Pools of threads: the same calls, nothing pickled."""

import threading
from collections.abc import Iterator

import pytest

import procession
from procession.pool import ThreadPool
from tests.support import tasks


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    with ThreadPool(2) as pool:
        yield pool
    pool.join()


def test_the_calls_of_a_pool_of_threads(pool: ThreadPool) -> None:
    assert pool.apply(tasks.add, (1,), {"right": 2}) == 3
    assert pool.map(tasks.square, range(20)) == [n * n for n in range(20)]
    assert pool.starmap(tasks.add, [(1, 2)]) == [3]
    assert list(pool.imap(tasks.square, iter(range(20)), 3)) == [n * n for n in range(20)]
    assert sorted(pool.imap_unordered(tasks.square, range(20))) == [n * n for n in range(20)]


def test_nothing_is_pickled(pool: ThreadPool) -> None:
    lock = threading.Lock()
    assert pool.apply(tasks.identity, (lock,)) is lock
    assert pool.apply(lambda: lock) is lock


def test_an_exception_has_its_own_traceback(pool: ThreadPool) -> None:
    with pytest.raises(ValueError, match="no luck") as caught:
        pool.apply(tasks.fail, ("no luck",))
    assert caught.traceback[-1].name == "fail"
    assert caught.value.__cause__ is None


def test_a_failing_initializer_is_the_error_of_each_call() -> None:
    pool = ThreadPool(2, tasks.fail, ("initializer",))
    with pytest.raises(ValueError, match="initializer"):
        pool.apply(tasks.square, (1,))
    pool.terminate()
    pool.join()


def test_close_and_join_finish_what_was_given() -> None:
    pool = ThreadPool(2)
    result = pool.map_async(tasks.square, range(100), 1)
    pool.close()
    pool.join()
    assert result.get(0) == [n * n for n in range(100)]


def test_a_terminated_pool_does_not_wait_for_its_tasks() -> None:
    started, go_on = threading.Event(), threading.Event()

    def wait(_: object) -> None:
        started.set()
        go_on.wait(30)

    pool = ThreadPool(2)
    result = pool.map_async(wait, range(1000), 1)
    started.wait(30)
    try:
        pool.terminate()
        pool.join()  # returns, or the test fails by its own time limit
        with pytest.raises(procession.ProcessError, match="terminated"):
            result.get(0)
    finally:
        go_on.set()


def test_the_pool_of_the_dummy_package_is_a_thread_pool() -> None:
    from procession.dummy import Pool

    with Pool(1) as pool:
        assert isinstance(pool, ThreadPool)
        assert pool.map(tasks.square, [2, 3]) == [4, 9]
    pool.join()
