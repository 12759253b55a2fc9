"""Objects whose methods raise, in each step of a worker, a child and a callback that meets them.

Nothing of it ends a worker, a child's report or the thread for callbacks; what cannot be told is
replaced by something that can be.
"""

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

import procession
from tests.support import hostile_objects as hostile

TIMEOUT = 30.0
UNRAISABLE = "ignore::pytest.PytestUnraisableExceptionWarning"
LOST = (procession.WorkerLostError, procession.TimeoutError)

pytestmark = pytest.mark.filterwarnings(UNRAISABLE)  # what `__del__` raises


def ignore(_: object) -> int:
    return 1


Step = Callable[[str, str], tuple[Any, tuple[Any, ...]]]
STEPS: dict[str, Step] = {
    "argument": lambda method, kind: (ignore, (hostile.make(method, kind),)),
    "function": lambda method, kind: (hostile.make(method, kind), ()),
    "result": lambda method, kind: (hostile.make, (method, kind)),
    "error": lambda method, kind: (hostile.raise_error, (method, kind)),
    "error's argument": lambda *case: (hostile.raise_with, ("argument", *case)),
    "error's note": lambda *case: (hostile.raise_with, ("note", *case)),
    "error's notes": lambda *case: (hostile.raise_with, ("notes", *case)),
    "error's cause": lambda *case: (hostile.raise_with, ("cause", *case)),
}


def outcome(call: Callable[[], Any]) -> Any:
    """Return what *call* returns or raises."""
    try:
        return call()
    except BaseException as error:  # noqa: BLE001 - looked at by the test
        return error


@pytest.fixture
def worker(ctx: Any) -> Any:
    """A pool of one worker."""
    with ctx.Pool(1) as pool:
        yield pool
    pool.join()


@pytest.mark.parametrize("step", STEPS)
def test_no_object_costs_a_pool_its_worker(worker: Any, step: str) -> None:
    """The caller gets a result or an error that is not the loss of a worker."""
    pid = worker.apply(os.getpid)
    for method, kind in hostile.CASES:
        function, args = STEPS[step](method, kind)

        got = outcome(lambda f=function, a=args: worker.apply_async(f, a).get(TIMEOUT))
        mapped = outcome(lambda f=function, a=args: worker.map_async(f, [a]).get(TIMEOUT))

        assert not isinstance(got, LOST), (method, kind)
        assert not isinstance(mapped, LOST), (method, kind)
        assert worker.apply_async(os.getpid).get(TIMEOUT) == pid, (method, kind)


def test_an_error_that_takes_no_attributes_arrives_or_is_named(worker: Any) -> None:
    """With the traceback of the worker as its cause."""
    for kind in hostile.ERRORS:
        got = outcome(lambda k=kind: worker.apply(hostile.raise_error, ("__setattr__", k)))

        assert f"Failure_setattr_{kind}" in f"{type(got).__name__} {got}"
        assert "raise_error" in str(got.__cause__)


def test_no_callback_costs_another_one(worker: Any, monkeypatch: Any) -> None:
    """Each kind of error is reported as of a thread, sys.exit() and Ctrl-C too."""
    reported: list[type[BaseException]] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: reported.append(args.exc_type))
    for kind in (ValueError, SystemExit, KeyboardInterrupt, hostile.Stop):
        called = threading.Event()

        def fail(_: Any, kind: type[BaseException] = kind) -> None:
            raise kind

        worker.apply_async(int, callback=fail)
        worker.apply_async(int, callback=lambda _, event=called: event.set())

        assert called.wait(TIMEOUT), kind
    assert reported == [ValueError, RuntimeError, KeyboardInterrupt, hostile.Stop]


def test_hostile_values_reach_callbacks(worker: Any) -> None:
    for method, kind in hostile.CASES:
        if method in ("__reduce__", "__getstate__", "__setstate__"):
            continue
        called = threading.Event()
        worker.apply_async(
            hostile.make, (method, kind), callback=lambda _, event=called: event.set()
        )
        assert called.wait(TIMEOUT), (method, kind)


@pytest.mark.parametrize("case", hostile.CASES, ids="-".join)
def test_an_initializer_may_raise_anything(case: tuple[str, str]) -> None:
    """Each call raises that, or what names it."""
    with procession.get_context("fork").Pool(1, hostile.raise_error, case) as pool:
        got = outcome(lambda: pool.apply_async(int).get(TIMEOUT))
    pool.join()

    assert not isinstance(got, LOST)
    assert "Failure_" in f"{type(got).__name__} {outcome(lambda: str(got))!r}"


@pytest.mark.parametrize("method", hostile.METHODS)
def test_what_a_child_raises_is_told(ctx: Any, method: str, capfd: Any) -> None:
    """The exit code is 1 and the exception, or its text, is there."""
    for kind in hostile.ERRORS:
        process = ctx.Process(target=hostile.raise_error, args=(method, kind))
        process.start()

        error = process.exception(TIMEOUT)

        assert process.exitcode == 1
        told = type(error).__name__, outcome(lambda e=error: str(e))
        assert f"Failure_{method.strip('_')}_{kind}" in f"{told[0]} {told[1]!r}"


@pytest.mark.parametrize("method", hostile.METHODS)
def test_what_a_child_returns_does_not_end_it(ctx: Any, method: str) -> None:
    """The exit code is 0; the result is there, or an error that says why not."""
    for kind in hostile.ERRORS:
        process = ctx.Process(target=hostile.make, args=(method, kind), returns=True)
        process.start()

        got = outcome(lambda p=process: p.result(TIMEOUT))

        assert process.exitcode == 0
        assert isinstance(got, hostile.Thing | procession.ProcessLostError), (kind, got)


@pytest.mark.parametrize("place", ["argument", "note", "notes", "cause"])
def test_what_a_childs_exception_is_made_of_does_not_matter(
    ctx: Any, place: str, capfd: Any
) -> None:
    for method in hostile.METHODS:
        process = ctx.Process(target=hostile.raise_with, args=(place, method, "exit"))
        process.start()

        error = process.exception(TIMEOUT)

        assert process.exitcode == 1
        told = f"{type(error).__name__} {outcome(lambda e=error: str(e))!r}"
        assert "ValueError" in told, method


@pytest.mark.parametrize("name", [5, "\udcff", hostile.make("__str__", "exit")])
def test_any_name_of_a_process_is_harmless(ctx: Any, name: Any, capfd: Any) -> None:
    process = ctx.Process(target=int, name=name)
    process.start()
    process.join(TIMEOUT)

    assert process.exitcode == 0
    assert process.exception() is None
