"""Wrong arguments: an error at the call says what is wrong, and the pool goes on."""

import operator
from collections.abc import Callable
from typing import Any

import pytest

import procession
from procession.pool import ThreadPool
from tests.support import tasks


@pytest.fixture(params=["processes", "threads"])
def pool(request: pytest.FixtureRequest) -> Any:
    """A pool of processes, then one of threads."""
    return request.getfixturevalue("forked" if request.param == "processes" else "threads")


@pytest.fixture
def threads() -> Any:
    with ThreadPool(tasks.WORKERS) as pool:
        yield pool
    pool.join()


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"processes": 0}, ValueError, "at least 1"),
        ({"processes": 2.0}, TypeError, "processes must be an int or None, not 2.0"),
        ({"processes": "2"}, TypeError, "processes must be an int or None, not '2'"),
        ({"name": 3}, TypeError, "name must be a str or None, not 3"),
        ({"seed": 1.5}, TypeError, "seed must be an int, a str or None, not 1.5"),
        ({"maxtasksperchild": 0}, ValueError, "maxtasksperchild must be a positive int or None"),
        ({"max_memory_per_child": "1G"}, ValueError, "max_memory_per_child must be a positive int"),
        ({"threads_per_worker": 0}, ValueError, "threads_per_worker must be a positive int"),
        ({"initializer": 3}, TypeError, "initializer must be a callable"),
        ({"worker_init": 3}, TypeError, "worker_init must be a callable"),
        ({"worker_exit": print}, ValueError, "worker_exit is given what worker_init returned"),
    ],
)
def test_a_pool_with_a_wrong_argument_is_not_made(
    ctx: Any, arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        ctx.Pool(**{"processes": 1, **arguments})


MAPS = ["map", "map_async", "starmap", "starmap_async", "imap", "imap_unordered"]


@pytest.mark.parametrize("call", MAPS)
@pytest.mark.parametrize(
    ("chunksize", "error", "words"),
    [
        (0, ValueError, "Chunksize must be 1\\+, not 0"),
        (-1, ValueError, "Chunksize must be 1\\+, not -1"),
        (2.0, TypeError, "chunksize must be an int, not 2.0"),
        ("3", TypeError, "chunksize must be an int, not '3'"),
    ],
)
def test_chunks_have_a_size(
    pool: Any, call: str, chunksize: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        getattr(pool, call)(tasks.square, [(1,)], chunksize)
    assert pool.apply(tasks.square, (3,)) == 9


@pytest.mark.parametrize("call", ["imap", "imap_unordered"])
@pytest.mark.parametrize(("size", "error"), [(0, ValueError), (1.5, TypeError), ("3", TypeError)])
def test_buffers_have_a_size(pool: Any, call: str, size: Any, error: type[Exception]) -> None:
    with pytest.raises(error, match="uffersize must be"):
        getattr(pool, call)(tasks.square, [1], buffersize=size)


class OtherInt:
    """An int of another type, as numpy has them."""

    def __init__(self, number: int):
        self._number = number

    def __index__(self) -> int:
        return self._number


def test_ints_of_other_types_are_accepted(ctx: Any) -> None:
    with ctx.Pool(OtherInt(2)) as pool:
        assert len(pool._pool) == 2
        for call in (pool.map, pool.imap):
            assert list(call(tasks.square, range(5), OtherInt(2))) == [0, 1, 4, 9, 16]
        assert list(pool.imap(tasks.square, range(5), buffersize=OtherInt(2))) == [0, 1, 4, 9, 16]
    pool.join()


CALLS: list[Callable[..., Any]] = [
    lambda pool, **more: pool.apply(tasks.square, (1,), **more),
    lambda pool, **more: pool.map(tasks.square, [1], **more),
    lambda pool, **more: pool.map_async(tasks.square, [1], **more),
    lambda pool, **more: pool.imap(tasks.square, [1], **more),
]


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize(
    ("limit", "error", "words"),
    [
        (0, ValueError, "timeout must be more than 0 seconds, not 0"),
        (float("nan"), ValueError, "timeout must be more than 0 seconds, not nan"),
        ("1", TypeError, "timeout must be a number of seconds or None, not '1'"),
    ],
)
def test_limits_are_lengths_of_time(
    forked: Any, call: Callable[..., Any], limit: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        call(forked, timeout=limit)


@pytest.mark.parametrize("name", ["callback", "error_callback"])
def test_callbacks_can_be_called(pool: Any, name: str) -> None:
    with pytest.raises(TypeError, match=f"{name} must be a callable"):
        pool.apply_async(tasks.square, (1,), **{name: 3})
    with pytest.raises(TypeError, match=f"{name} must be a callable"):
        pool.map_async(tasks.square, [1], **{name: 3})


def test_a_map_needs_an_iterable(pool: Any) -> None:
    for call in map(operator.attrgetter, MAPS):
        with pytest.raises(TypeError, match="not iterable"):
            call(pool)(tasks.square, 3)


ENDED = [
    ("apply", (tasks.square, (1,))),
    ("apply_async", (tasks.square, (1,))),
    *[(call, (tasks.square, [(1,)])) for call in MAPS],
    ("__enter__", ()),
]


@pytest.mark.parametrize(("call", "arguments"), ENDED, ids=lambda value: str(value)[:20])
@pytest.mark.parametrize("end", ["close", "terminate"])
def test_an_ended_pool_accepts_no_calls(
    pool: Any, end: str, call: str, arguments: tuple[Any, ...]
) -> None:
    getattr(pool, end)()
    with pytest.raises(ValueError, match="Pool not running"):
        getattr(pool, call)(*arguments)


def test_a_pool_can_be_ended_more_than_once(pool: Any) -> None:
    for end in ("close", "close", "join", "join", "terminate", "terminate", "close", "join"):
        getattr(pool, end)()
    assert pool.stats().workers == [] or isinstance(pool, ThreadPool)


def test_errors_are_those_of_the_package(pool: Any) -> None:
    """They are those that the documentation names: `multiprocessing.TimeoutError`, ValueError."""
    go_on = procession.Queue()
    result = pool.apply_async(go_on.get)
    for early in (lambda: result.get(0.01), lambda: result.get(timeout=0), lambda: result.get(-1)):
        with pytest.raises(procession.TimeoutError):
            early()
    with pytest.raises(ValueError, match="not ready"):
        result.successful()
    assert not result.ready()
    assert result.wait(0.01) is None
    go_on.put(7)
    assert result.get() == 7
    assert result.ready()
    assert result.successful()
