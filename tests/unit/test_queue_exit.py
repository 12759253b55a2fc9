"""Queues at the end of processes: what was put is there, and calls in exit functions work."""

import os
import signal
from collections.abc import Callable
from typing import Any

import pytest

import procession
from tests.support.programs import run_python


def _return() -> None:
    pass


def _exit() -> None:
    raise SystemExit(3)


def _fail() -> None:
    raise ArithmeticError("on purpose")


def _leave_at_once() -> None:
    os._exit(4)


def _be_killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _put_and_end(box: Any, end: Callable[[], None]) -> None:
    box.put("small")
    box.put(b"large" * 100_000)
    box.put([box, "with a reference"])
    end()


@pytest.mark.parametrize("end", [_return, _exit, _fail, _leave_at_once, _be_killed])
def test_what_was_put_is_there_however_its_producer_ended(
    ctx: Any, end: Callable[[], None], capfd: Any
) -> None:
    box = ctx.Queue()
    child = ctx.Process(target=_put_and_end, args=(box, end))
    child.start()
    child.join()

    assert box.get(False) == "small"
    assert box.get(False) == b"large" * 100_000
    again, text = box.get(False)
    assert text == "with a reference"
    again.put("through the copy")
    assert box.get(False) == "through the copy"


ATEXIT = """
import atexit
import procession as mp

def child(box):
    atexit.register(box.put, {"from": "an exit function"})

if __name__ == "__main__":
    mp.set_start_method("%s")
    box = mp.Queue()
    atexit.register(lambda: print(box.get(timeout=10), box.empty()))
    process = mp.Process(target=child, args=(box,))
    atexit.register(lambda: box.put([1, {2}]))
    atexit.register(process.join)
    process.start()
"""


@pytest.mark.parametrize("method", procession.get_all_start_methods())
def test_exit_functions_may_use_queues(method: str) -> None:
    """Those of the main process; a child's run where the standard library's do (not under fork)."""
    outcome = run_python(ATEXIT % method)
    assert outcome.stderr == ""
    assert outcome.stdout in ("{'from': 'an exit function'} False\n", "[1, {2}] True\n")


FINALIZATION = """
import procession as mp

class Late:
    def __init__(self):
        self.box, self.stdout = mp.Queue(), __import__("sys").stdout
    def __del__(self):
        self.box.put({"a": [1, {2}]})
        item = self.box.get()
        try:
            self.box.get(False)
        except Exception as error:
            self.stdout.write(f"{item} {type(error).__name__}\\n")
            self.stdout.flush()

late = Late()
late.itself = late
import builtins
builtins.late = late
"""


def test_the_first_item_may_be_put_when_the_interpreter_is_ending() -> None:
    outcome = run_python(FINALIZATION)
    assert (outcome.stdout, outcome.stderr) == ("{'a': [1, {2}]} Empty\n", "")
