"""The progress of a map: reported to a callable, drawn as a bar."""

import importlib.util
import threading
from typing import Any

import pytest

import procession
from tests.support import run_python, tasks
from tests.support.waiting import wait_until

COUNT = 40


class Reports:
    """Keeps the progress that is reported to it."""

    def __init__(self) -> None:
        self.all: list[tuple[int, int | None]] = []

    def __call__(self, done: int, total: int | None) -> None:
        self.all.append((done, total))


def grows_to(reports: Reports, count: int, total: int | None) -> bool:
    """Whether the reported numbers of items grow up to *count*."""
    numbers = [done for done, _ in reports.all]
    grown = numbers == sorted(set(numbers)) and numbers[-1] == count
    return grown and {total for _, total in reports.all} == {total}


@pytest.mark.parametrize("chunksize", [None, 1, 7])
def test_a_map_reports_how_many_items_are_done(forked: Any, chunksize: int | None) -> None:
    told, starred = Reports(), Reports()

    forked.map(tasks.square, range(COUNT), chunksize, progress=told)
    forked.starmap(tasks.add, [(1, 2)] * COUNT, chunksize, progress=starred)

    assert grows_to(told, COUNT, COUNT)
    assert grows_to(starred, COUNT, COUNT)


@pytest.mark.parametrize("chunksize", [1, 7])
@pytest.mark.parametrize("call", ["imap", "imap_unordered"])
def test_an_imap_reports_its_progress(forked: Any, call: str, chunksize: int) -> None:
    told, of_unknown = Reports(), Reports()
    imap = getattr(forked, call)

    for _ in imap(tasks.square, range(COUNT), chunksize, progress=told):
        assert told.all
    list(imap(tasks.square, iter(range(COUNT)), chunksize, progress=of_unknown))

    assert grows_to(told, COUNT, COUNT)
    assert grows_to(of_unknown, COUNT, None)


@pytest.mark.parametrize("call", ["map_async", "starmap_async"])
def test_progress_is_reported_though_no_thread_waits(forked: Any, call: str) -> None:
    told, started, go_on = Reports(), procession.Queue(), procession.Queue()
    arguments = [(started, go_on)] * 3
    function = tasks.hold if call == "starmap_async" else _hold
    result = getattr(forked, call)(function, arguments, 1, progress=told)
    for number in range(1, 4):
        go_on.put("on")
        wait_until(lambda n=number: told.all[-1:] == [(n, 3)])
    assert result.get(30) == ["on"] * 3


def _hold(queues: Any) -> str:
    return tasks.hold(*queues)


def test_items_that_fail_are_counted_and_cancelled_ones_are_not(forked: Any) -> None:
    told, cancelled = Reports(), Reports()
    with pytest.raises(ValueError):
        forked.map(tasks.fail, range(COUNT), 5, progress=told)
    assert grows_to(told, COUNT, COUNT)

    result = forked.map_async(tasks.nap, [30] * COUNT, 1, progress=cancelled)
    result.cancel()
    assert cancelled.all == []


def test_an_empty_map_reports_nothing(forked: Any) -> None:
    told = Reports()
    assert forked.map(tasks.square, [], progress=told) == []
    assert list(forked.imap(tasks.square, [], progress=told)) == []
    assert told.all == []


def test_a_callable_that_raises_does_so_once_and_the_map_goes_on(
    forked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)

    def fail(done: int, total: int | None) -> None:
        raise ValueError("not so")

    assert forked.map(tasks.square, range(9), 1, progress=fail) == [n * n for n in range(9)]
    assert [str(each.exc_value) for each in raised] == ["not so"]


@pytest.mark.parametrize("bad", [1, "yes", None])
def test_progress_is_a_bool_or_a_callable(forked: Any, bad: Any) -> None:
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
def test_a_bar_is_drawn_by_the_installed_library(library: str) -> None:
    if importlib.util.find_spec(library) is None:
        pytest.skip(f"{library} is not installed")
    absent = {"tqdm": "rich", "rich": "tqdm"}[library]

    ended = run_python(BARS, absent, env={"COLUMNS": "100"})

    assert ended.exitcode == 0, ended.stderr
    assert "double" in ended.stdout + ended.stderr
    assert ("50/50" if library == "tqdm" else "100%") in ended.stdout + ended.stderr


def test_without_a_library_the_error_says_what_to_do() -> None:
    ended = run_python(BARS, "tqdm,rich")

    assert ended.exitcode == 0, ended.stderr
    assert "pip install tqdm, or give a callable" in ended.stdout
