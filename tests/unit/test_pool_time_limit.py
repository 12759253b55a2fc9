"""The policy of a task's time limit: what is a limit, and when a worker was ended by one."""

import signal
import time
from types import SimpleNamespace
from typing import Any

import pytest

import procession
from procession.pool import _time_limit
from procession.pool._worker_status import WorkerStatus

pytestmark = pytest.mark.bare

SECOND_NS = 1_000_000_000
KILLED = -signal.SIGKILL


def report(exitcode: int, deadline_ns: int) -> str | None:
    worker: Any = SimpleNamespace(name="worker-3", pid=4711, exitcode=exitcode)
    return _time_limit.report(worker, WorkerStatus(7, 1, deadline_ns, SECOND_NS // 4))


def test_a_worker_killed_after_its_deadline_was_ended_by_its_limit() -> None:
    said = report(KILLED, time.monotonic_ns())

    assert said == (
        "took longer than its limit of 0.25 s; worker worker-3 (pid 4711) was ended for it and is "
        "replaced"
    )
    error = _time_limit.error("a call of tile", said)
    assert isinstance(error, procession.TimeoutError)
    assert str(error) == f"a call of tile {said}"


@pytest.mark.parametrize(
    ("exitcode", "deadline_ns"),
    [
        (KILLED, 0),  # the task had no limit
        (KILLED, 2**62),  # it was killed before
        (-signal.SIGSEGV, 1),  # it crashed after
        (0, 1),
    ],
)
def test_any_other_end_has_another_reason(exitcode: int, deadline_ns: int) -> None:
    assert report(exitcode, deadline_ns) is None


@pytest.mark.parametrize(
    ("chunksize", "limit", "chosen"), [(None, None, None), (None, 2.5, 1), (7, None, 7), (7, 2, 7)]
)
def test_an_item_has_the_limit_for_itself_unless_the_caller_has_chosen(
    chunksize: int | None, limit: float | None, chosen: int | None
) -> None:
    assert _time_limit.limit_chunksize(chunksize, limit) == chosen


def test_a_function_without_a_limit_is_called_directly() -> None:
    assert _time_limit.limited(len, None) is len
