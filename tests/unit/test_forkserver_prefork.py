"""The prefork child: what process it becomes, what ends it, and that its death costs no request."""

import os
import signal
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

import procession
from procession import forkserver
from tests.support.kill import has_ended, is_asleep
from tests.support.programs import session_members, start_python
from tests.support.waiting import wait_until

CONTEXT = procession.get_context("forkserver")


def children_of(pid: int) -> list[int]:
    """Return the children that process *pid* has, zombies among them."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        return [int(child) for child in file.read().split()]


@pytest.fixture
def server() -> int:
    """A server that has no children yet; its process id."""
    forkserver._forkserver._stop()
    forkserver.ensure_running()
    pid = forkserver._forkserver._forkserver_pid
    assert pid is not None
    return pid


def run(target: Callable[..., object], *args: Any) -> Any:
    """Run *target* in a process; return its id and its result."""
    process = CONTEXT.Process(target=target, args=args, returns=True)
    process.start()
    result = process.result(30)
    pid = process.pid
    process.close()
    return pid, result


def prefork_child(server: int) -> int:
    """Return the prefork child, once it sleeps: it waits for its request then."""
    wait_until(lambda: [is_asleep(child) for child in children_of(server)] == [True])
    (child,) = children_of(server)
    return child


def test_there_is_none_before_the_first_request(server: int) -> None:
    """A server that is not used has no children; one that is used has one more than asked for."""
    run(int)
    prefork_child(server)


def test_the_next_process_is_the_prefork_child(server: int) -> None:
    """And the one after that is the next prefork child."""
    run(int)
    for _ in range(3):
        child = prefork_child(server)
        assert run(os.getpid) == (child, child)


def test_a_prefork_child_that_was_killed_costs_no_request(server: int) -> None:
    """The next process is forked, as the first was."""
    run(int)
    child = prefork_child(server)
    os.kill(child, signal.SIGKILL)
    wait_until(lambda: not children_of(server), message="the server has reaped it")

    pid, result = run(os.getpid)

    assert pid == result != child
    assert prefork_child(server) != child


def test_requests_arrive_while_prefork_children_are_killed(server: int) -> None:
    """Each process ends well, or by just that kill, whenever it comes."""
    for _ in range(60):
        process = CONTEXT.Process(target=sys.exit, args=(3,))
        for child in children_of(server):
            with suppress(ProcessLookupError):  # it was a child that has ended meanwhile
                os.kill(child, signal.SIGKILL)
        process.start()
        process.join()
        assert process.exitcode in (3, -signal.SIGKILL)
        process.close()
    assert run(int)[1] == 0
    assert forkserver._forkserver._forkserver_pid == server


@pytest.mark.orphans
def test_a_prefork_child_ends_with_a_server_that_is_killed(server: int) -> None:
    """Its socket is closed; the next process has a new server."""
    run(int)
    child = prefork_child(server)
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: has_ended(child), timeout=5)
    assert run(int)[1] == 0


def test_a_prefork_child_ignores_signals_of_the_terminal(server: int) -> None:
    """Ctrl-C is for the processes that work; the process that it becomes handles it again."""
    run(int)
    child = prefork_child(server)
    os.kill(child, signal.SIGINT)
    pid, handler = run(signal.getsignal, signal.SIGINT)
    assert pid == child
    assert handler is signal.default_int_handler


def test_it_is_given_what_a_forked_child_is_given(server: int) -> None:
    """Start data too long for a message, descriptors, the current folder and path."""
    run(int)
    child = prefork_child(server)
    reader, writer = CONTEXT.Pipe(duplex=False)
    with reader, writer:
        text = "x" * 1_000_000
        pid, length = run(send_length, writer, text)
        assert (pid, length) == (child, len(text))
        assert reader.recv() == (len(text), os.getcwd())


def send_length(writer: Any, text: str) -> int:
    """Send how long *text* is, and the working folder; return the first."""
    writer.send((len(text), os.getcwd()))
    return len(text)


DYING = """
import sys, time
import procession

def parent(said, options):
    child = procession.get_context("forkserver").Process(target=sleep, args=(said,), **options)
    child.start()
    said.put(child.pid)
    time.sleep(600)

def sleep(said):
    said.put("sleeps")
    time.sleep(600)

if __name__ == "__main__":
    context = procession.get_context("forkserver")
    first = context.Process(target=int)  # from now on there is a prefork child
    first.start()
    first.join()
    said = context.Queue()
    process = procession.get_context(sys.argv[1]).Process(target=parent, args=(said, {options}))
    process.start()
    pids = {said.get(), said.get()} - {"sleeps"}
    print(*pids, flush=True)
    sys.stdin.readline()
    process.kill()
    process.join()
    print("killed", flush=True)
    time.sleep(600)
"""


@pytest.mark.bare
@pytest.mark.orphans
@pytest.mark.parametrize("parents_method", ["fork", "forkserver"])
@pytest.mark.parametrize("options", ["dict(daemon=True)", "dict(die_with_parent=True)", "dict()"])
def test_it_dies_with_those_that_a_fork_dies_with(options: str, parents_method: str) -> None:
    """A daemon with its parent, every process with the root."""
    with start_python(DYING.replace("{options}", options), parents_method) as program:
        child = int(program.read_line())
        program.write_line("kill the parent")
        assert program.read_line() == "killed"
        if options == "dict()":
            assert not has_ended(child)
        else:
            wait_until(lambda: has_ended(child))
        program.send_signal(signal.SIGKILL)
        wait_until(lambda: not session_members(program.pid) - {program.pid})
        assert has_ended(child)
