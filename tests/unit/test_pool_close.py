"""An imap whose pool is closed and joined, or whose iterator is forgotten."""

import gc
import itertools
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import procession
from procession.pool import ThreadPool
from procession.pool._prefetch import SMALLEST_BOUND
from tests.support import tasks
from tests.support.waiting import wait_until

COUNT = 3 * SMALLEST_BOUND + 7  # far more than is drawn ahead

CALLS = ["imap", "imap_unordered"]
INPUTS: list[Callable[[range], Any]] = [list, iter]
inputs = pytest.mark.parametrize("kind", INPUTS, ids=["list", "iterator"])
calls = pytest.mark.parametrize("call", CALLS)
chunks = pytest.mark.parametrize("chunksize", [1, 1000])


@pytest.fixture(params=["processes", "threads"])
def pool(request: pytest.FixtureRequest) -> Iterator[Any]:
    fork = procession.get_context("fork")
    pool = fork.Pool(2) if request.param == "processes" else ThreadPool(2)
    with pool:
        yield pool
    pool.join()


@inputs
@calls
@chunks
def test_join_does_all_of_an_imap_whose_results_are_taken_later(
    pool: Any, call: str, kind: Any, chunksize: int
) -> None:
    results = getattr(pool, call)(tasks.square, kind(range(COUNT)), chunksize)
    pool.close()
    pool.join()
    assert sorted(results) == [n * n for n in range(COUNT)]


@inputs
def test_results_taken_before_the_join_do_not_come_again(pool: Any, kind: Any) -> None:
    results = pool.imap(tasks.square, kind(range(COUNT)))
    first = list(itertools.islice(results, 50))
    pool.close()
    pool.join()
    assert first + list(results) == [n * n for n in range(COUNT)]


@inputs
def test_an_imap_whose_iterator_was_never_read_is_done_by_join(kind: Any) -> None:
    count = procession.Value("q", 0)
    with procession.get_context("fork").Pool(2) as pool:
        pool.imap_unordered(count.add, kind([1] * COUNT))
        pool.apply(tasks.square, (1,))  # this call receives results of the imap
        gc.collect()
        pool.close()
        pool.join()
    assert count.value == COUNT


@inputs
def test_an_imap_whose_iterator_was_read_and_forgotten_draws_no_more(pool: Any, kind: Any) -> None:
    """The input may have no end: `for x in pool.imap(f, count()): break`."""
    items = kind(range(COUNT))
    results = pool.imap(tasks.square, items)
    assert next(results) == 0
    job = weakref.ref(results._job)
    del results
    pool.close()
    pool.join()
    wait_until(lambda: gc.collect() >= 0 and job() is None)
    if kind is iter:
        assert next(items) < COUNT


def test_an_endless_imap_that_was_forgotten_does_not_delay_join(pool: Any) -> None:
    for square in pool.imap(tasks.square, itertools.count()):
        if square > 10:
            break
    pool.close()
    pool.join()


def test_an_endless_imap_that_was_cancelled_does_not_delay_join(pool: Any) -> None:
    results = pool.imap(tasks.square, itertools.count())
    assert list(itertools.islice(results, 3)) == [0, 1, 4]
    results.cancel()
    pool.close()
    pool.join()


def test_an_error_of_the_input_comes_after_the_results_also_after_join(pool: Any) -> None:
    results = pool.imap(tasks.square, _then_fails(COUNT))
    pool.close()
    pool.join()
    assert list(itertools.islice(results, COUNT)) == [n * n for n in range(COUNT)]
    with pytest.raises(ValueError, match="no more"):
        next(results)
    assert list(results) == []


def _then_fails(count: int) -> Iterator[int]:
    yield from range(count)
    raise ValueError("no more")


def test_errors_of_items_that_cannot_be_sent_come_also_after_join(forked: Any) -> None:
    generator = (n for n in ())
    results = forked.imap_unordered(tasks.identity, [generator] * COUNT)
    forked.close()
    forked.join()
    errors = 0
    while True:
        try:
            next(results)
        except TypeError:
            errors += 1
        except StopIteration:
            break
    assert errors == COUNT


def test_the_callback_thread_draws_items_too(forked: Any) -> None:
    """The thread that receives draws, and here the joining thread only follows."""
    called: list[int] = []
    forked.apply_async(tasks.square, (3,), callback=called.append).wait()
    results = forked.imap(tasks.square, range(COUNT))
    forked.close()
    forked.join()
    assert list(results) == [n * n for n in range(COUNT)]
    assert called == [9]


@inputs
@calls
def test_a_pool_that_is_terminated_ends_each_imap_with_an_error(
    pool: Any, call: str, kind: Any
) -> None:
    results = getattr(pool, call)(tasks.nap, kind([0.001] * COUNT))
    next(results)
    pool.terminate()
    pool.join()
    errors = 0
    while True:
        try:
            next(results)
        except procession.ProcessError:
            errors += 1
        except StopIteration:
            break
    assert errors > 0
