"""Ctrl-C: one error in the parent, silence from the workers, nobody left."""

import os
import signal

import pytest

from tests.support.programs import session_members, start_python
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.bare, pytest.mark.orphans]

PROGRAM = """
import sys, procession

def work(started):
    started.put(None)
    started.join()

if __name__ == "__main__":
    ctx = procession.get_context(sys.argv[1])
    started = ctx.JoinableQueue()
    with ctx.Pool(2) as pool:
        results = [pool.apply_async(work, (started,)) for _ in range(4)]
        started.get(), started.get()
        print("ready", flush=True)
        results[0].get()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_one_keyboard_interrupt_and_no_process_left(method: str) -> None:
    with start_python(PROGRAM, method) as program:
        assert program.read_line() == "ready"
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does
        outcome = program.finish()
        assert outcome.stderr.count("Traceback") == 1
        assert outcome.stderr.rstrip().endswith("KeyboardInterrupt")
        assert outcome.exitcode == -signal.SIGINT
        wait_until(lambda: not session_members(program.pid), timeout=10)
