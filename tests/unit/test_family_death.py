"""Nothing of a family stays when its first process is killed."""

import signal

import pytest

from tests.support.programs import session_members, start_python
from tests.support.waiting import wait_until

METHODS = ("fork", "spawn", "forkserver")

ROOT = """
import sys, procession

def wait_for_ever(queue):
    queue.get()

def start_another(queue, said):
    inner = procession.get_context(method).Process(target=say_and_wait, args=(queue, said))
    inner.start()
    said.put("started")
    queue.get()

def say_and_wait(queue, said):
    said.put("inner")
    queue.get()

method = {method!r}
if __name__ == "__main__":
    ctx = procession.get_context(method)
    queue, said, lock = ctx.Queue(), ctx.Queue(), ctx.Lock()
    ctx.Process(target=start_another, args=(queue, said){more}).start()
    said.get(), said.get()
    lock.acquire()
    print("ready", flush=True)
    queue.get()
"""


pytestmark = [pytest.mark.bare, pytest.mark.orphans]


@pytest.mark.parametrize("method", METHODS)
def test_a_killed_root_takes_its_descendants_with_it(method: str) -> None:
    """They are no daemons, and wait in a get() for an item that never comes."""
    with start_python(ROOT.replace("{method!r}", repr(method)).replace("{more}", "")) as program:
        assert program.read_line() == "ready"
        members = session_members(program.pid)
        assert len(members) >= 3
        program.send_signal(signal.SIGKILL)
        wait_until(lambda: not session_members(program.pid) - {program.pid}, timeout=10)


@pytest.mark.parametrize("method", METHODS)
def test_a_process_that_is_made_to_outlive_it_does(method: str) -> None:
    source = ROOT.replace("{method!r}", repr(method)).replace("{more}", ", die_with_parent=False")
    with start_python(source) as program:
        assert program.read_line() == "ready"
        program.send_signal(signal.SIGKILL)
        program.wait()
        assert len(session_members(program.pid) - {program.pid}) >= 2


OWN_WILL = """
import os, sys, procession

def outlive():
    print("begun" if procession.parent_process().is_alive() else "late", flush=True)
    procession.parent_process().join()
    print("lived on", flush=True)

if __name__ == "__main__":
    ctx = procession.get_context({method!r})
    ctx.Process(target=outlive).start()
    if {wait!r}:
        input()
    {end}
"""

WAYS = {
    "_exit": "os._exit(3)",
    "exec": "os.execv(sys.executable, [sys.executable, '-c', 'pass'])",
    "exit of the C library": "import ctypes; ctypes.CDLL(None).exit(3)",
}


@pytest.mark.parametrize("wait", [True, False])
@pytest.mark.parametrize("end", WAYS)
@pytest.mark.parametrize("method", METHODS)
def test_a_child_lives_on_when_the_root_ends_by_its_own_will(
    method: str, end: str, wait: bool
) -> None:
    """Also when the root has ended, and was reaped, before the child has begun."""
    source = OWN_WILL.format(method=method, wait=wait, end=WAYS[end])
    with start_python(source) as program:
        if wait:
            assert program.read_line() == "begun"
            program.write_line("")
            program.wait()
        else:
            program.wait()
            assert program.read_line() in ("begun", "late")
        assert program.read_line() == "lived on"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGABRT])
@pytest.mark.parametrize("method", METHODS)
def test_a_child_dies_with_a_root_that_is_ended_by_a_signal(
    method: str, number: signal.Signals
) -> None:
    source = OWN_WILL.format(method=method, wait=True, end="")
    with start_python(source) as program:
        assert program.read_line() == "begun"
        program.send_signal(number)
        program.wait()
        wait_until(lambda: not session_members(program.pid), timeout=10)
        assert program.read_line() == ""
