"""The timeline of a pool: a row for each worker, a slice for each task, a file that is whole."""

import itertools
import json
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import procession
from procession.pool._trace import Trace
from tests.support import tasks

A_NANOSECOND = 0.001  # of the microseconds that the file has


def events(path: Path) -> list[dict[str, Any]]:
    """Return the events in the file, which must be whole."""
    found: list[dict[str, Any]] = json.loads(path.read_text())["traceEvents"]
    return found


def slices(path: Path) -> list[dict[str, Any]]:
    return [event for event in events(path) if event["ph"] == "X"]


def ends(path: Path) -> Counter[tuple[str, str]]:
    """Count how often each function ended in which way."""
    return Counter((each["name"], each["args"]["outcome"]) for each in slices(path))


def rows(path: Path) -> dict[int, str]:
    """Return the workers by their numbers."""
    found = events(path)
    return {e["tid"]: e["args"]["name"] for e in found if e["name"] == "thread_name"}


def test_each_worker_has_a_row_and_each_task_a_slice(ctx: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with ctx.Pool(2, name="traced", trace=path) as pool:
        pool.map(tasks.square, range(10), 2)
        assert list(pool.imap(tasks.square, range(5))) == [0, 1, 4, 9, 16]
        pool.apply(tasks.nap, (0.05,))
        with pytest.raises(ValueError, match="on purpose"):
            pool.apply(tasks.fail, ("on purpose",))
        workers = {f"{worker.name} ({worker.pid})" for worker in pool.stats().workers}
        pool.close()
        pool.join()

    assert ends(path) == {("square", "done"): 10, ("nap", "done"): 1, ("fail", "failed"): 1}
    assert set(rows(path).values()) == workers
    assert {each["tid"] for each in slices(path)} <= set(rows(path)) == {1, 2}
    (nap,) = (each for each in slices(path) if each["name"] == "nap")
    assert nap["dur"] >= 50_000
    assert nap["args"]["task"] == "a call of nap"
    assert "items 0 to 1 of a map of square" in {each["args"]["task"] for each in slices(path)}


def test_slices_of_a_row_do_not_overlap(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with procession.get_context("fork").Pool(2, trace=path, maxtasksperchild=7) as pool:
        result = pool.starmap_async(tasks.die_at, [(n, 23) for n in range(50)], 1)
        with pytest.raises(procession.WorkerLostError):
            result.get(30)
    pool.join()
    for row in rows(path):
        ours = sorted((e["ts"], e["ts"] + e["dur"]) for e in slices(path) if e["tid"] == row)
        for (_, end), (start, _) in itertools.pairwise(ours):
            assert end <= start + A_NANOSECOND
    assert ends(path) == {("die_at", "done"): 49, ("die_at", "lost with its worker"): 1}


def test_every_way_to_end_is_in_the_trace(tmp_path: Path) -> None:
    path, context = tmp_path / "run.json", procession.get_context("fork")
    with context.Pool(1, trace=os.fspath(path)) as pool:
        started, go_on = context.Queue(), context.Queue()
        count = context.Value("i", 0)
        assert pool.apply(tasks.die_so_often, (2, count), retries=2) == 3
        with pytest.raises(procession.TimeoutError):
            pool.apply(tasks.nap, (30,), timeout=0.05)
        running = pool.apply_async(tasks.hold, (started, go_on))
        waiting = pool.apply_async(tasks.square, (1,))
        started.get(timeout=30)
        waiting.cancel()
        running.cancel()
        with pytest.raises(procession.pool.MaybeEncodingError):
            pool.apply(tasks.a_lambda, (1,))
        pool.apply_async(tasks.hold, (started, go_on))
        pool.apply_async(tasks.square, (1,))
        started.get(timeout=30)
    pool.join()
    assert ends(path) == {
        ("die_so_often", "lost with its worker"): 2,
        ("die_so_often", "done"): 1,
        ("nap", "timed out"): 1,
        ("hold", "cancelled"): 1,
        ("a_lambda", "failed"): 1,
        ("hold", "ended with the pool"): 1,
    }


def test_the_file_is_whole_after_each_write(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    with procession.get_context("fork").Pool(2, trace=path) as pool:
        assert slices(path) == []
        seen = 0
        while seen < 3000:
            assert sum(pool.imap(tasks.square, range(10))) == 285
            assert len(slices(path)) >= seen
            seen = len(slices(path))
    pool.join()
    assert len(slices(path)) % 10 == 0


def test_an_initializer_that_fails_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    pool = procession.get_context("fork").Pool(1, tasks.fail, ("no",), trace=path)
    with pytest.raises(ValueError, match="no"):
        pool.apply(tasks.square, (1,))
    pool.terminate()
    pool.join()
    assert slices(path) == []


def test_a_file_that_cannot_be_opened_is_an_error_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere"):
        procession.get_context("fork").Pool(1, trace=tmp_path / "nowhere" / "run.json")


@pytest.mark.bare
def test_a_file_that_cannot_be_written_later_is_one_warning(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    trace = Trace(os.fspath(path), "pool")
    unwritable = os.open(path, os.O_RDONLY)
    os.dup2(unwritable, trace._fd, inheritable=False)
    os.close(unwritable)
    trace.channel.send((1, 2), 0, 1)
    trace.channel.send((3, 4), 1, 1)

    trace.add_task(0, "f", "a call of f", "done")
    with pytest.warns(RuntimeWarning, match=r"run\.json ends here"):
        trace.close()
    trace.close()

    assert slices(path) == []
