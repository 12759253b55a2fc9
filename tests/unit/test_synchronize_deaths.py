"""Locks whose holder has died: which processes are told, and what."""

import os
import signal
from pathlib import Path
from typing import Any

import pytest

import procession
from procession import BrokenLockError
from procession.synchronize import Lock, RLock
from tests.support import run_python
from tests.support.threads import TIMEOUT

LOCKS = pytest.mark.parametrize("kind", [Lock, RLock])


def hold_and_die(lock: Any) -> None:
    """Take *lock*, and be killed."""
    lock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)


@LOCKS
def test_a_dead_holder_is_named(ctx: Any, kind: Any) -> None:
    """Its pid and its name; until reset() no process has the lock."""
    lock = kind()
    process = ctx.Process(target=hold_and_die, args=(lock,), name="unlucky")
    process.start()
    process.join()

    for attempt in (lock.acquire, lock.release):
        with pytest.raises(BrokenLockError, match=rf"unlucky.*{process.pid}.*reset\(\)"):
            attempt()

    assert lock.locked()
    assert lock.reset()
    assert not lock.reset()
    with lock:
        pass
    process.close()


def rename_hold_and_die(lock: Any, name: str) -> None:
    """Take *lock* as a process of another name."""
    procession.current_process().name = name
    hold_and_die(lock)


@pytest.mark.parametrize(("name", "told"), [("renamed", "renamed"), ("ä" * 60, "ä" * 19)])
def test_a_dead_holder_is_called_by_its_last_name(name: str, told: str) -> None:
    """Of a long one as much as there is room for, in whole characters."""
    ctx, lock = procession.get_context("fork"), Lock()
    process = ctx.Process(target=rename_hold_and_die, args=(lock, name))
    process.start()
    process.join()
    process.close()

    with pytest.raises(BrokenLockError, match=rf"process {told} \(pid"):
        lock.acquire()


def test_a_line_of_a_long_path_is_told_by_its_end(tmp_path: Path) -> None:
    """In whole characters."""
    for padding in ("", "x"):
        folder = tmp_path / (padding + "ü" * 100)
        folder.mkdir()
        program = folder / "program.py"
        program.write_text(DEATHS)

        result = run_python(
            f"import runpy; runpy.run_path({str(program)!r}, run_name='__main__')",
            env={**os.environ, "PROCESSION_DEBUG": "1"},
        )

        assert "üü/program.py:7 in with_lock:" in result.stdout


DEATHS = """
import os, procession
from procession.sharedctypes import Value
ctx = procession.get_context("fork")

def with_lock(lock):
    with lock:
        os._exit(1)

def within(lock):
    lock.acquire()
    with lock:
        os._exit(1)

def with_condition(condition):
    condition.acquire()
    os._exit(1)

def after_a_wait(condition):
    with condition:
        condition.wait(0.001)
        os._exit(1)

def with_value(value):
    with value.get_lock():
        os._exit(1)

def after_another(lock):
    with lock:
        pass
    with lock:
        os._exit(1)

def tell(target, thing, lock):
    process = ctx.Process(target=target, args=(thing,), name="unlucky")
    process.start()
    process.join()
    try:
        lock.acquire()
    except procession.BrokenLockError as error:
        print(target.__name__, error)

lock, rlock, value = ctx.Lock(), ctx.RLock(), ctx.Value("i")
condition, other = ctx.Condition(), ctx.Condition(ctx.Lock())
tell(with_lock, lock, lock)
tell(within, rlock, rlock)
tell(with_condition, condition, condition._lock)
tell(after_a_wait, other, other._lock)
tell(with_value, value, value.get_lock())
lock.reset()
tell(after_another, lock, lock)
"""
LINES_OF_DEATHS = {
    "with_lock": 7,
    "within": 11,
    "with_condition": 16,
    "after_a_wait": 21,
    "with_value": 25,
    "after_another": 31,
}


def test_the_line_that_took_the_lock_is_named_where_it_is_known() -> None:
    """With PROCESSION_DEBUG each way to take one writes it down, the first time by its owner."""
    result = run_python(DEATHS, env={**os.environ, "PROCESSION_DEBUG": "1"})

    told = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert told.keys() == LINES_OF_DEATHS.keys()
    for function, line in LINES_OF_DEATHS.items():
        assert f":{line} in {function}:" in told[function]
        assert "process unlucky (pid " in told[function]


def test_a_line_that_is_not_known_is_not_made_up() -> None:
    """Without the variable it was not noted; the message says how to have it noted."""
    result = run_python(DEATHS, env={**os.environ, "PROCESSION_DEBUG": "0"})

    assert result.stdout.count("PROCESSION_DEBUG=1") == len(LINES_OF_DEATHS)
    assert "taken at" not in result.stdout


def test_a_lock_may_be_passed_on(ctx: Any, caplog: pytest.LogCaptureFixture) -> None:
    """With a warning in the log."""
    logger = procession.get_logger()
    logger.addHandler(caplog.handler)
    lock = Lock(on_owner_death="release")
    process = ctx.Process(target=hold_and_die, args=(lock,))
    process.start()
    process.join()

    try:
        assert lock.acquire(timeout=TIMEOUT)
    finally:
        logger.removeHandler(caplog.handler)

    assert f"pid {process.pid}" in caplog.text
    process.close()


def test_another_manner_of_death_is_refused() -> None:
    """There are two."""
    with pytest.raises(ValueError, match="'raise' or 'release'"):
        Lock(on_owner_death="ignore")
