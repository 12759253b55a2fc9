"""Children's log records in the handlers of the process that asked for them."""

import logging
import os
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import procession
from procession import _log_forwarding
from tests.support import run_python

LOGGER = "tests.forwarding"


class Keeping(logging.Handler):
    """Keeps what it is given, as texts."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record."""
        self.records.append(record)

    def messages(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def kept() -> Iterator[Keeping]:
    """A handler of this process, of the tests' logger."""
    logger, handler = logging.getLogger(LOGGER), Keeping()
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def forwarding(kept: Keeping) -> Iterator[Any]:
    with procession.forward_logs() as forwarding:
        yield forwarding


def log(*messages: str, level: int = logging.INFO) -> None:
    for message in messages:
        logging.getLogger(LOGGER).log(level, message)


def run(ctx: Any, target: Any, *args: Any, **kwargs: Any) -> int:
    """Run *target* in a child; its exit code."""
    process = ctx.Process(target=target, args=args, kwargs=kwargs)
    process.start()
    process.join(30)
    exitcode: int = process.exitcode
    process.close()
    return exitcode


# --------------------------------------------------------------------------------- what arrives


def test_records_of_a_child_come_once_in_order_with_its_name(
    ctx: Any, forwarding: Any, kept: Keeping
) -> None:
    process = ctx.Process(target=log, args=("one", "two"), name="crew")
    process.start()
    process.join()
    process.close()

    assert forwarding.flush(30)
    assert kept.messages() == ["one", "two"]
    assert {record.processName for record in kept.records} == {"crew"}
    assert os.getpid() not in {record.process for record in kept.records}


def log_and_die() -> None:
    log("last words")
    os.kill(os.getpid(), signal.SIGKILL)


def test_the_last_record_before_a_kill_arrives(ctx: Any, forwarding: Any, kept: Keeping) -> None:
    assert run(ctx, log_and_die) == -signal.SIGKILL

    assert forwarding.flush(30)
    assert kept.messages() == ["last words"]


def log_number(number: int) -> None:
    log(f"task {number}")


def test_records_of_a_pools_workers_arrive(ctx: Any, forwarding: Any, kept: Keeping) -> None:
    with ctx.Pool(2, maxtasksperchild=2) as pool:
        pool.map(log_number, range(6), 1)

    assert forwarding.flush(30)
    assert sorted(kept.messages()) == [f"task {number}" for number in range(6)]


def have_a_child(method: str) -> None:
    log("parent")
    run(procession.get_context(method), log, "child")


@pytest.mark.slow
def test_records_of_grandchildren_arrive(ctx: Any, forwarding: Any, kept: Keeping) -> None:
    for method in ("fork", "spawn", "forkserver"):
        assert run(ctx, have_a_child, method) == 0

    assert forwarding.flush(30)
    assert kept.messages() == ["parent", "child"] * 3


def log_much() -> None:
    logger = logging.getLogger(LOGGER)
    logger.info("%s and %d", "text", 5, extra={"number": 7, "thing": threading.Lock()})
    try:
        raise ValueError("no good")
    except ValueError:
        logger.exception("trouble", stack_info=True)


def test_a_record_has_all_that_handlers_write(ctx: Any, forwarding: Any, kept: Keeping) -> None:
    """The traceback as text; an attribute that cannot be sent as what it looks like."""
    run(ctx, log_much)

    assert forwarding.flush(30)
    first, second = kept.records
    assert (first.getMessage(), vars(first)["number"]) == ("text and 5", 7)
    assert vars(first)["thing"].startswith("<unlocked _thread.lock")
    text = logging.Formatter("%(levelname)s %(funcName)s %(message)s").format(second)
    assert text.startswith("ERROR log_much trouble\nTraceback")
    assert "ValueError: no good\nStack (most recent call last)" in text


# ------------------------------------------------------------------------------ what does not come


def test_a_child_has_the_levels_of_here(ctx: Any, forwarding: Any, kept: Keeping) -> None:
    logging.getLogger(LOGGER).setLevel(logging.WARNING)
    run(ctx, log, "quiet")
    logging.getLogger(LOGGER).setLevel(logging.DEBUG)
    run(ctx, log, "all", level=logging.DEBUG)
    assert forwarding.flush(30)  # the levels of this process count when a record is handled
    logging.disable(logging.WARNING)
    run(ctx, log, "disabled")
    logging.disable(logging.NOTSET)

    assert forwarding.flush(30)
    assert kept.messages() == ["all"]


def log_all_levels() -> None:
    log("info")
    log("warning", level=logging.WARNING)


def test_records_below_the_level_stay_where_they_are(ctx: Any, kept: Keeping) -> None:
    with procession.forward_logs(logging.WARNING):
        run(ctx, log_all_levels)

    assert kept.messages() == ["warning"]


def test_a_handler_of_a_logger_that_does_not_propagate_is_used_once(
    ctx: Any, forwarding: Any
) -> None:
    logger, handler = logging.getLogger(LOGGER), Keeping()
    logger.propagate = False
    logger.addHandler(handler)
    try:
        logger.setLevel(logging.INFO)
        run(ctx, log, "once")
        assert forwarding.flush(30)
    finally:
        logger.propagate = True
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)

    assert handler.messages() == ["once"]


def test_without_it_nothing_is_forwarded(ctx: Any, kept: Keeping) -> None:
    """Neither before nor after, to children that were created then."""
    early = ctx.Process(target=log, args=("early",))
    with procession.forward_logs() as forwarding:
        early.start()
        early.join()
        run(ctx, log, "meanwhile")
        assert forwarding.is_active()
    run(ctx, log, "late")
    early.close()

    assert kept.messages() == ["meanwhile"]
    assert not forwarding.is_active()


# ------------------------------------------------------------------------------- beginning and end


def test_it_is_on_once(forwarding: Any) -> None:
    assert procession.forward_logs() is forwarding
    names = [thread.name for thread in threading.enumerate()]
    assert names.count("procession-logs") == 1


def test_it_can_begin_again(kept: Keeping) -> None:
    for number in range(2):
        with procession.forward_logs():
            run(procession.get_context("fork"), log, f"{number}")

    assert kept.messages() == ["0", "1"]


def test_its_thread_is_no_reason_to_warn_at_a_fork(forwarding: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert run(procession.get_context("fork"), log) == 0


def forward_and_have_a_child() -> None:
    with procession.forward_logs():
        run(procession.get_context("fork"), log, "inner")
    run(procession.get_context("fork"), log, "later")


def test_a_child_that_forwards_passes_records_on(ctx: Any, forwarding: Any, kept: Keeping) -> None:
    assert run(ctx, forward_and_have_a_child) == 0

    assert forwarding.flush(30)
    assert kept.messages() == ["inner", "later"]


def log_when_told(go: Any) -> None:
    go.recv()
    log("too late", level=logging.ERROR)


@pytest.mark.parametrize("method", ["fork", "spawn"])  # the fork server's is its own
def test_a_child_that_outlives_it_writes_to_standard_error(
    method: str, kept: Keeping, capfd: pytest.CaptureFixture[str]
) -> None:
    ctx: Any = procession.get_context(method)
    ours, theirs = ctx.Pipe()
    with procession.forward_logs():
        process = ctx.Process(target=log_when_told, args=(theirs,))
        process.start()
    ours.send("go")
    process.join(30)
    exitcode = process.exitcode
    process.close()
    ours.close()
    theirs.close()

    assert exitcode == 0
    assert kept.messages() == []
    assert capfd.readouterr().err == "too late\n"


def test_a_log_call_does_not_wait_for_ever(capfd: pytest.CaptureFixture[str]) -> None:
    """With a full queue that no process reads, the record is written to the error stream."""
    records = procession.Queue(1)
    handler = _log_forwarding._ForwardingHandler(records, logging.INFO)
    handler._timeout = 0.01
    for number in range(3):
        handler.handle(logging.makeLogRecord({"msg": f"{number}", "levelno": logging.ERROR}))
    records.get()
    handler.handle(logging.makeLogRecord({"msg": "3"}))

    assert capfd.readouterr().err == "1\n2\n"
    assert records.get()["msg"] == "3"
    assert handler._timeout == _log_forwarding._PUT_TIMEOUT_S


def test_a_failing_handler_costs_one_record(
    ctx: Any, forwarding: Any, kept: Keeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[Any] = []
    monkeypatch.setattr(sys, "excepthook", lambda *error: shown.append(error[1]))

    def refuse(record: logging.LogRecord) -> bool:
        if record.msg == "bad":
            raise ValueError("a filter")
        return True

    kept.addFilter(refuse)
    run(ctx, log, "bad", "good")

    assert forwarding.flush(30)
    assert kept.messages() == ["good"]
    assert [str(error) for error in shown] == ["a filter"]


def test_flush_gives_up_in_time(kept: Keeping) -> None:
    blocked, go = threading.Event(), threading.Event()

    def wait(record: logging.LogRecord) -> bool:
        blocked.set()
        return go.wait(30)

    kept.addFilter(wait)
    with procession.forward_logs() as forwarding:
        run(procession.get_context("fork"), log, "slow")
        assert blocked.wait(30)
        assert not forwarding.flush(0.01)
        go.set()
        assert forwarding.flush(30)
    assert forwarding.flush(0)
    assert kept.messages() == ["slow"]


# --------------------------------------------------------------------------------- whole programs


@pytest.mark.bare
@pytest.mark.orphans
@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_a_program_that_just_ends_has_written_all(method: str) -> None:
    """Once each, though the main module, which children run too, sets up a handler of its own."""
    code = """
        import logging, sys
        import procession

        logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")

        def work():
            for number in range(100):
                logging.info("%d", number)

        if __name__ == "__main__":
            procession.set_start_method(sys.argv[1])
            procession.forward_logs()
            procession.Process(target=work).start()
        """
    outcome = run_python(code, method)

    assert outcome.exitcode == 0, outcome.stderr
    assert outcome.stdout.split() == [str(number) for number in range(100)]
    assert outcome.stderr == ""
