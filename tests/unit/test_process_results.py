"""Results and exceptions of processes, also unusual ones; and random states."""

import os
import pickle
import random
import signal
import threading
from typing import Any

import pytest

import procession
from tests.support import programs_process as programs

TIMEOUT = 30.0


class Unmakeable:
    """Pickles, but cannot be made from its pickle."""

    def __reduce__(self) -> Any:
        return fail_to_make, ("the data are bad",)


def fail_to_make(words: str) -> None:
    raise ValueError(words)


def started(ctx: Any, target: Any, *args: Any) -> Any:
    process = ctx.Process(target=target, args=args, returns=True)
    process.start()
    return process


def test_result_is_what_the_target_returned(ctx: Any) -> None:
    """It can be asked for again and again."""
    process = started(ctx, programs.give, {"a": [1, 2]})

    assert process.result(TIMEOUT) == {"a": [1, 2]}
    assert process.result() == {"a": [1, 2]}
    assert process.exception() is None


class Watched:
    """Notes in a shared value that it was pickled; its pickle would end the process."""

    def __init__(self, pickled: Any) -> None:
        self.pickled = pickled

    def __reduce__(self) -> Any:
        self.pickled.value += 1
        raise SystemExit(7)


def make_watched(pickled: Any) -> Watched:
    return Watched(pickled)


def test_what_a_target_returns_is_ignored_unless_asked_for(ctx: Any) -> None:
    """It is neither pickled nor kept; asking for it says how to have it kept."""
    pickled = ctx.Value("i", 0)
    process = ctx.Process(target=make_watched, args=(pickled,))
    process.start()

    with pytest.raises(ValueError, match="returns=True"):
        process.result(TIMEOUT)

    assert (process.exitcode, pickled.value, process.exception()) == (0, 0, None)


def test_without_a_result_the_error_of_the_target_is_still_raised(ctx: Any, capfd: Any) -> None:
    process = ctx.Process(target=programs.fail, args=("all the same",))
    process.start()

    with pytest.raises(ValueError, match="all the same"):
        process.result(TIMEOUT)


def test_a_result_whose_pickling_exits_is_an_error_and_ends_nothing(ctx: Any) -> None:
    pickled = ctx.Value("i", 0)
    process = started(ctx, make_watched, pickled)

    with pytest.raises(procession.ProcessLostError, match="SystemExit: 7"):
        process.result(TIMEOUT)

    assert process.exitcode == 0


def test_result_raises_what_the_target_raised(ctx: Any, capfd: Any) -> None:
    """The remote traceback is its cause; the child shows the exception as usual."""
    process = ctx.Process(target=programs.fail, args=("on purpose",))
    process.start()

    with pytest.raises(ValueError, match="on purpose") as caught:
        process.result(TIMEOUT)

    assert "in fail" in str(caught.value.__cause__)
    if ctx.get_start_method() != "forkserver":  # its server has the stderr of an earlier test
        assert "ValueError: on purpose" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("target", "args", "words"),
    [
        (programs.die, (signal.SIGKILL,), "was killed by SIGKILL"),
        (programs.leave, (3,), "exited with code 3"),
        (programs.fail_with_two, (), "NeedsTwo: needs two"),
        (programs.give_lock, (), r"result\['lock'\]\[0\] is a lock"),
    ],
)
def test_result_says_why_there_is_none(
    ctx: Any, capfd: Any, target: Any, args: tuple[Any, ...], words: str
) -> None:
    """The error names a signal, an exit code, or what cannot be sent."""
    process = started(ctx, target, *args)

    with pytest.raises(procession.ProcessLostError, match=words) as caught:
        process.result(TIMEOUT)

    assert (caught.value.pid, caught.value.exitcode) == (process.pid, process.exitcode)


def test_result_has_a_limit(ctx: Any) -> None:
    """After the timeout comes TimeoutError, and the process goes on."""
    process = ctx.Process(target=programs.sleep_for_ever)
    process.start()

    with pytest.raises(procession.TimeoutError):
        process.result(timeout=0.05)

    assert process.is_alive()
    process.kill()
    process.join(TIMEOUT)
    assert process.exitcode == -signal.SIGKILL


def test_a_large_result_arrives_before_anyone_asks_for_it(ctx: Any) -> None:
    """The child need not wait until it is fetched."""
    process = started(ctx, make_bytes, 20_000_000)

    process.join(TIMEOUT)

    assert process.exitcode == 0
    assert process.result() == b"\5" * 20_000_000


def make_bytes(size: int) -> bytes:
    return b"\5" * size


def test_numpy_arrays_are_results(ctx: Any) -> None:
    numpy = pytest.importorskip("numpy")
    process = started(ctx, numpy.arange, 1_000_000)

    assert process.result(TIMEOUT).sum() == 499_999_500_000


def test_results_are_objects_of_the_family(ctx: Any) -> None:
    """A queue that the child made lives on in the parent."""
    process = started(ctx, make_queue)

    queue = process.result(TIMEOUT)

    assert queue.get(timeout=TIMEOUT) == "still there"


def make_queue() -> Any:
    queue = procession.Queue()
    queue.put("still there")
    return queue


def test_a_result_that_cannot_be_made_again_says_why(ctx: Any) -> None:
    process = started(ctx, Unmakeable)

    with pytest.raises(procession.ProcessLostError, match="the data are bad") as caught:
        process.result(TIMEOUT)

    assert isinstance(caught.value.__cause__, ValueError)
    assert process.exitcode == 0


def test_threads_that_ask_together_all_get_the_result(ctx: Any) -> None:
    """It can be taken out of its channel only once."""
    for _ in range(5):
        process = started(ctx, programs.give, "result")
        got: list[Any] = []
        threads = [
            threading.Thread(target=lambda p=process, g=got: g.append(p.result(TIMEOUT)))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert got == ["result"] * 8


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (KeyboardInterrupt("by hand"), "by hand"),
        (OSError(2, "No such file", "name"), "No such file"),
        (ExceptionGroup("several", [ValueError(1), TypeError(2)]), "several"),
        (StopIteration(5), "5"),
    ],
)
def test_exceptions_of_all_kinds_arrive(ctx: Any, error: BaseException, words: str) -> None:
    """As what they are, with the place where they were raised."""
    process = started(ctx, raise_it, error)

    with pytest.raises(type(error), match=words) as caught:
        process.result(TIMEOUT)

    assert repr(caught.value) == repr(error)
    assert "in raise_it" in str(caught.value.__cause__)
    assert process.exitcode == 1


def raise_it(error: BaseException) -> None:
    raise error


def test_the_whole_remote_traceback_is_the_cause(ctx: Any) -> None:
    """With the causes and notes that the exception had there."""
    process = started(ctx, raise_with_history)

    error = process.exception(TIMEOUT)

    assert error is process.exception()
    text = str(error.__cause__)
    assert "ZeroDivisionError: division by zero" in text
    assert "The above exception was the direct cause" in text
    assert "a note" in text
    assert error.__notes__ == ["a note"]


def raise_with_history() -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError as cause:
        error = ValueError("at last")
        error.add_note("a note")
        raise error from cause


@pytest.mark.parametrize(("code", "exitcode"), [(None, 0), (0, 0), (True, 1), (256 + 7, 7)])
def test_sys_exit_gives_no_result(ctx: Any, code: Any, exitcode: int) -> None:
    """0 is success without one, all else a loss."""
    process = started(ctx, programs.leave, code)
    process.join(TIMEOUT)

    assert process.exitcode == exitcode
    if exitcode == 0:
        assert process.result() is None
    else:
        with pytest.raises(procession.ProcessLostError, match=f"exited with code {exitcode}"):
            process.result()


def test_there_is_no_result_of_what_is_closed_or_was_not_started(ctx: Any) -> None:
    process = ctx.Process(target=int)
    with pytest.raises(AssertionError, match="started process"):
        process.result()
    process.start()
    process.join()
    process.close()
    for ask in (process.result, process.exception):
        with pytest.raises(ValueError, match="closed"):
            ask()


def test_a_result_that_is_not_there_in_time_is_there_later(ctx: Any) -> None:
    event = ctx.Event()
    process = started(ctx, event.wait)
    for timeout in (0, 0.01, -1):
        with pytest.raises(procession.TimeoutError, match=process.name):
            process.result(timeout)
        with pytest.raises(procession.TimeoutError):
            process.exception(timeout)

    event.set()

    assert process.result(TIMEOUT) is True


def test_an_exception_with_state_of_its_own_arrives(ctx: Any) -> None:
    """Its attributes as well."""
    process = started(ctx, raise_it, Coded("message", code=7))

    error = process.exception(TIMEOUT)

    assert (str(error), error.code) == ("message", 7)


class Coded(Exception):
    def __init__(self, message: str, *, code: int = 0) -> None:
        super().__init__(message)
        self.code = code


# ---------------------------------------------------------------------------------- random states


def draw() -> list[Any]:
    """Return random numbers of this process."""
    import numpy

    return [random.random(), float(numpy.random.random())]


def test_children_draw_different_numbers(ctx: Any) -> None:
    """From `random`, and from numpy's global generator; different from the parent's, too."""
    pytest.importorskip("numpy")
    mine = draw()

    processes = [started(ctx, draw) for _ in range(3)]

    drawn = [mine, draw(), *(process.result(TIMEOUT) for process in processes)]
    for kind in zip(*drawn, strict=True):
        assert len(set(kind)) == len(drawn)


def test_a_fork_of_the_programs_own_keeps_the_standard_behaviour() -> None:
    """The interpreter reseeds `random`; numpy's state is a copy."""
    numpy = pytest.importorskip("numpy")
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.write(writer, pickle.dumps(float(numpy.random.random())))
        os._exit(0)
    os.waitpid(pid, 0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        its = pickle.load(pipe)

    assert its == float(numpy.random.random())
