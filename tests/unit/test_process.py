"""Processes: the documented contract, for each start method."""

import gc
import os
import signal
import threading
import weakref
from typing import Any

import pytest

import procession
from tests.support import programs_process as programs
from tests.support import run_python

TIMEOUT = 30.0


@pytest.fixture
def pipe() -> Any:
    """Two connected connections, closed after the test."""
    ends = procession.Pipe()
    yield ends
    for end in ends:
        end.close()


def ended(process: Any) -> int:
    """Join the process and return its exit code."""
    process.join(TIMEOUT)
    assert process.exitcode is not None, f"{process} still runs"
    code: int = process.exitcode
    return code


@pytest.mark.parametrize(
    ("target", "args", "code"),
    [
        (programs.give, (None,), 0),
        (programs.leave, (None,), 0),
        (programs.leave, (3,), 3),
        (programs.leave, ("a message",), 1),
        (programs.fail, ("on purpose",), 1),
        (programs.die, (signal.SIGTERM,), -signal.SIGTERM),
        (programs.die, (signal.SIGKILL,), -signal.SIGKILL),
    ],
)
def test_the_exit_code_tells_how_it_ended(
    ctx: Any, target: Any, args: tuple[Any, ...], code: int
) -> None:
    """It is 0, the argument of sys.exit, 1 for an exception, -N for signal N."""
    process = ctx.Process(target=target, args=args)
    assert process.exitcode is None

    process.start()

    assert ended(process) == code
    process.close()


def test_a_child_knows_its_names_and_ids(ctx: Any, pipe: Any) -> None:
    """It knows its key and parent, too; it has no children, and no standard input."""
    ours, its = pipe
    process = ctx.Process(target=programs.facts, args=(its,), name="its name", daemon=True)
    process.start()

    facts = ours.recv()

    assert facts["pid"] == facts["own pid"] == process.pid == process.ident
    assert (facts["name"], facts["daemon"], facts["alive"]) == ("its name", True, True)
    assert facts["authkey"] == bytes(procession.current_process().authkey)
    assert facts["parent"] == ("MainProcess", os.getpid(), True)
    assert (facts["children"], facts["stdin"]) == ([], "")
    assert facts["method"] == ctx.get_start_method()
    assert ended(process) == 0


def test_names_tell_the_descent(ctx: Any, pipe: Any) -> None:
    """The first child of child number N is N:1, also in a daemon, which may have children."""
    ours, its = pipe
    process = ctx.Process(target=programs.start_child, args=(its,), daemon=True)
    number = process.name.rpartition("-")[2]
    process.start()

    name, code = ours.recv()

    assert name.rpartition("-")[2] == f"{number}:1"
    assert code == 4
    assert ended(process) == 0


def test_a_subclass_takes_its_state_along(ctx: Any, pipe: Any) -> None:
    """The child calls `run` of an object with the attributes of the parent's object."""
    ours, its = pipe
    method = procession.get_start_method(allow_none=True)
    procession.set_start_method(ctx.get_start_method(), force=True)
    try:
        process = programs.Told(its, "hello")
        process.start()
    finally:
        procession.set_start_method(method, force=True)

    assert ours.recv() == ("hello", process.name, False)
    assert ended(process) == 0


@pytest.mark.parametrize(
    ("way", "number"),
    [("terminate", signal.SIGTERM), ("kill", signal.SIGKILL), ("interrupt", signal.SIGINT)],
)
def test_signals(ctx: Any, pipe: Any, way: str, number: int) -> None:
    """`terminate`, `kill` and `interrupt` end it; once it has ended they do nothing."""
    ours, its = pipe
    process = ctx.Process(target=programs.watch_parent, args=(its,))
    process.start()
    assert ours.recv() == "waiting"
    assert process.is_alive()
    assert process in procession.active_children()

    getattr(process, way)()

    assert ended(process) == (1 if number == signal.SIGINT else -number)
    assert not process.is_alive()
    assert process not in procession.active_children()
    getattr(process, way)()


def test_the_sentinel_becomes_ready_at_the_end(ctx: Any) -> None:
    """It is not ready before, and stays ready afterwards."""
    from procession.connection import wait

    process = ctx.Process(target=programs.sleep_for_ever)
    with pytest.raises(ValueError, match="not started"):
        _ = process.sentinel
    process.start()
    assert wait([process.sentinel], timeout=0) == []

    process.kill()

    assert wait([process.sentinel], timeout=TIMEOUT) == [process.sentinel]
    assert ended(process) == -signal.SIGKILL
    assert wait([process.sentinel], timeout=0) == [process.sentinel]


def test_join_with_a_limit_returns_while_it_runs(ctx: Any) -> None:
    """`join` returns None either way; `exitcode` tells."""
    process = ctx.Process(target=programs.sleep_for_ever)
    process.start()

    process.join(0)
    process.join(0.05)
    process.join(-1)

    assert process.exitcode is None
    process.kill()
    assert ended(process) == -signal.SIGKILL


def test_threads_may_wait_for_one_child_together(ctx: Any) -> None:
    """All of them learn the exit code, though it can be fetched only once."""
    process = ctx.Process(target=programs.sleep_for_ever)
    process.start()
    codes: list[int | None] = []

    def wait() -> None:
        process.join()
        codes.append(process.exitcode)

    threads = [threading.Thread(target=wait) for _ in range(5)]
    for thread in threads:
        thread.start()
    process.terminate()
    for thread in threads:
        thread.join(TIMEOUT)

    assert codes == [-signal.SIGTERM] * 5


def test_close_releases_and_ends_all_use(ctx: Any) -> None:
    """While the child runs it raises ValueError; afterwards all methods that need a child do."""
    process = ctx.Process(target=programs.sleep_for_ever)
    process.start()
    with pytest.raises(ValueError, match="still running"):
        process.close()
    process.kill()
    process.join()

    process.close()
    process.close()

    for use in ("start", "join", "terminate", "kill", "interrupt", "is_alive"):
        with pytest.raises(ValueError, match="closed"):
            getattr(process, use)()
    for fact in ("exitcode", "pid", "ident", "sentinel"):
        with pytest.raises(ValueError, match="closed"):
            getattr(process, fact)
    assert "closed" in repr(process)


def test_a_process_starts_once_and_where_it_was_made(ctx: Any) -> None:
    """The errors are those that the documentation names."""
    process = ctx.Process(target=programs.give, args=(None,))
    with pytest.raises(AssertionError, match="started process"):
        process.join()
    process.start()
    with pytest.raises(AssertionError, match="twice"):
        process.start()
    with pytest.raises(AssertionError, match="already started"):
        process.daemon = True
    assert ended(process) == 0


def test_reprs(ctx: Any) -> None:
    """They show the state, the signal's name, the flags."""
    process = ctx.Process(target=programs.sleep_for_ever, name="N", daemon=True)
    kind = type(process).__name__
    assert repr(process) == f"<{kind} name='N' parent={os.getpid()} initial daemon>"
    process.start()
    assert (
        repr(process) == f"<{kind} name='N' pid={process.pid} parent={os.getpid()} started daemon>"
    )

    process.kill()
    process.join()

    assert repr(process).endswith("stopped exitcode=-SIGKILL daemon>")


class Thing:
    """An object that is an argument."""


def test_the_target_is_not_kept_alive(ctx: Any) -> None:
    """Once started, the object refers to neither target nor arguments."""
    thing = Thing()
    alive = weakref.ref(thing)
    process = ctx.Process(target=programs.give, args=(thing,))

    process.start()

    del thing
    gc.collect()
    assert alive() is None
    assert ended(process) == 0


def test_a_key_is_not_pickled_by_accident() -> None:
    """Only the pickle for a child may contain it."""
    import pickle

    with pytest.raises(TypeError, match="security"):
        pickle.dumps(procession.current_process().authkey)


# ------------------------------------------------------------------- what cannot be pickled


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_closures_and_lambdas_go_by_value(method: str, pipe: Any) -> None:
    """What pickle refuses is sent with its code; connections in it are still passed on."""
    ours, its = pipe
    offset = 40
    process = procession.get_context(method).Process(
        target=lambda x: its.send(x + offset), args=(2,)
    )

    process.start()

    assert ours.recv() == 42
    assert ended(process) == 0


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_what_cannot_be_sent_is_named(method: str) -> None:
    """The error shows the path to it, its kind, a remedy; nothing is left of the start."""

    class Db:
        def __init__(self) -> None:
            self.lock = threading.Lock()

    db = Db()
    process = procession.get_context(method).Process(target=programs.give, args=([db],))

    with pytest.raises(TypeError, match=r"args\[0\]\[0\].lock is a lock.*context"):
        process.start()

    assert process.exitcode is None
    with open(os.devnull) as file:
        process = procession.get_context(method).Process(
            target=programs.give, kwargs={"value": file}
        )
        with pytest.raises(TypeError, match=r"kwargs\['value'\] is a TextIOWrapper.*open it"):
            process.start()


# ------------------------------------------------------------------------------ start and exit


def test_a_child_has_no_descriptor_that_is_not_its_own() -> None:
    """A spawned child gets none of the parent's, inheritable or not."""
    reader, writer = os.pipe()
    os.set_inheritable(writer, True)
    process = procession.get_context("spawn").Process(target=programs.give, args=(None,))
    try:
        from tests.support.programs_process import descriptors

        process = procession.get_context("spawn").Process(target=descriptors, returns=True)
        process.start()
        ours = os.readlink(f"/proc/self/fd/{writer}")
        assert not any(ours in each for each in process.result(TIMEOUT))
    finally:
        os.close(reader)
        os.close(writer)


def test_a_fork_beside_threads_warns_and_names_them() -> None:
    """The other start methods do not fork here, and do not warn."""
    import warnings

    go = threading.Event()
    thread = threading.Thread(target=go.wait, name="the other one")
    thread.start()
    try:
        process = procession.get_context("fork").Process(target=programs.give, args=(None,))
        with pytest.warns(DeprecationWarning, match="'the other one'"):
            process.start()
        assert ended(process) == 0
        other = procession.get_context("forkserver").Process(target=programs.give, args=(None,))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            other.start()
        assert ended(other) == 0
    finally:
        go.set()
        thread.join()


def test_at_exit_daemons_end_and_others_are_joined() -> None:
    """That is what the documentation says."""
    outcome = run_python(
        """
        import sys, time
        import procession

        def slow():
            time.sleep(0.3)
            print("the other was joined", flush=True)

        if __name__ == "__main__":
            procession.set_start_method(sys.argv[1])
            procession.Process(target=time.sleep, args=(600,), daemon=True).start()
            procession.Process(target=slow).start()
        """,
        "spawn",
    )

    assert (outcome.stdout, outcome.exitcode) == ("the other was joined\n", 0)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_missing_guard_is_an_error_that_shows_the_line(method: str) -> None:
    """The child's error shows what is wrong and where; no further child is started."""
    outcome = run_python(
        f"""
        import procession
        context = procession.get_context({method!r})
        process = context.Process(target=print, args=("never",))
        process.start()  # unguarded
        process.join()
        print(process.exitcode)
        """
    )

    assert outcome.stdout == "1\n"
    assert "process.start()  # unguarded" in outcome.stderr
    assert "if __name__ == '__main__':" in outcome.stderr
    assert outcome.stderr.count("RuntimeError:") == 1
