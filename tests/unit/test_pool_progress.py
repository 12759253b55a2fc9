"""How far a map is: told to a callable, drawn as a bar."""

import importlib.util
import threading
from typing import Any

import pytest

import procession
from tests.support import run_python, tasks
from tests.support.waiting import wait_until

COUNT = 40


class Told:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.all: list[tuple[int, int | None]] = []

    def __call__(self, done: int, total: int | None) -> None:
        self.all.append((done, total))


def grows_to(told: Told, count: int, total: int | None) -> bool:
    """Whether it was told growing numbers of items, up to *count*."""
    numbers = [done for done, _ in told.all]
    grown = numbers == sorted(set(numbers)) and numbers[-1] == count
    return grown and {total for _, total in told.all} == {total}


@pytest.mark.parametrize("chunksize", [None, 1, 7])
def test_a_map_tells_how_many_items_are_done(forked: Any, chunksize: int | None) -> None:
    told, starred = Told(), Told()

    forked.map(tasks.square, range(COUNT), chunksize, progress=told)
    forked.starmap(tasks.add, [(1, 2)] * COUNT, chunksize, progress=starred)

    assert grows_to(told, COUNT, COUNT)
    assert grows_to(starred, COUNT, COUNT)


@pytest.mark.parametrize("chunksize", [1, 7])
@pytest.mark.parametrize("call", ["imap", "imap_unordered"])
def test_an_imap_tells_it_too(forked: Any, call: str, chunksize: int) -> None:
    told, of_unknown = Told(), Told()
    imap = getattr(forked, call)

    for _ in imap(tasks.square, range(COUNT), chunksize, progress=told):
        assert told.all
    list(imap(tasks.square, iter(range(COUNT)), chunksize, progress=of_unknown))

    assert grows_to(told, COUNT, COUNT)
    assert grows_to(of_unknown, COUNT, None)


@pytest.mark.parametrize("call", ["map_async", "starmap_async"])
def test_it_is_told_though_nobody_waits(forked: Any, call: str) -> None:
    told, started, go_on = Told(), procession.Queue(), procession.Queue()
    arguments = [(started, go_on)] * 3
    function = tasks.hold if call == "starmap_async" else _hold
    result = getattr(forked, call)(function, arguments, 1, progress=told)
    for number in range(1, 4):
        go_on.put("on")
        wait_until(lambda n=number: told.all[-1:] == [(n, 3)])
    assert result.get(30) == ["on"] * 3


def _hold(queues: Any) -> str:
    return tasks.hold(*queues)


def test_what_fails_is_done_and_what_is_cancelled_is_not(forked: Any) -> None:
    told, cancelled = Told(), Told()
    with pytest.raises(ValueError):
        forked.map(tasks.fail, range(COUNT), 5, progress=told)
    assert grows_to(told, COUNT, COUNT)

    result = forked.map_async(tasks.nap, [30] * COUNT, 1, progress=cancelled)
    result.cancel()
    assert cancelled.all == []


def test_a_map_of_nothing_tells_nothing(forked: Any) -> None:
    told = Told()
    assert forked.map(tasks.square, [], progress=told) == []
    assert list(forked.imap(tasks.square, [], progress=told)) == []
    assert told.all == []


def test_a_callable_that_raises_is_reported_once_and_stops_nothing(
    forked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reports: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", reports.append)

    def fail(done: int, total: int | None) -> None:
        raise ValueError("not so")

    assert forked.map(tasks.square, range(9), 1, progress=fail) == [n * n for n in range(9)]
    assert [str(report.exc_value) for report in reports] == ["not so"]


@pytest.mark.parametrize("bad", [1, "yes", None])
def test_a_wish_is_a_bool_or_a_callable(forked: Any, bad: Any) -> None:
    with pytest.raises(TypeError, match="progress must be True, False or a callable"):
        forked.map(tasks.square, [1], progress=bad)


# -------------------------------------------------------------------------------------------- bars

BARS = """
import sys
import procession

def double(number):
    return 2 * number

if __name__ == "__main__":
    sys.modules.update(dict.fromkeys(sys.argv[1].split(",")))  # as if not installed
    with procession.get_context("fork").Pool(2) as pool:
        try:
            assert pool.map(double, range(50), 5, progress=True)[-1] == 98
            assert sum(pool.imap(double, iter(range(50)), progress=True)) == 2450
            next(pool.imap(double, range(50), progress=True))
        except ModuleNotFoundError as error:
            print(error)
        assert pool.map(double, [1]) == [2]
    pool.join()
    assert "multiprocessing" not in sys.modules
"""


@pytest.mark.parametrize("library", ["tqdm", "rich"])
def test_a_bar_is_drawn_by_what_is_installed(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    absent = {"tqdm": "rich", "rich": "tqdm"}[library]

    ended = run_python(BARS, absent, env={"COLUMNS": "100"})

    assert ended.exitcode == 0, ended.stderr
    assert "double" in ended.stdout + ended.stderr
    assert ("50/50" if library == "tqdm" else "100%") in ended.stdout + ended.stderr


def test_where_there_is_none_the_error_says_what_to_do() -> None:
    ended = run_python(BARS, "tqdm,rich")

    assert ended.exitcode == 0, ended.stderr
    assert "pip install tqdm, or give a callable" in ended.stdout
