"""The fork server's spare: who it becomes, what it dies of, and that nobody minds its death."""

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
    process = CONTEXT.Process(target=target, args=args)
    process.start()
    result = process.result(30)
    pid = process.pid
    process.close()
    return pid, result


def spare_of(server: int) -> int:
    """Return the spare, once it sleeps: it waits for its request then."""
    wait_until(lambda: [is_asleep(child) for child in children_of(server)] == [True])
    (spare,) = children_of(server)
    return spare


def test_there_is_none_before_the_first_request(server: int) -> None:
    """A server that nobody uses has no children; one that is used has one more than asked for."""
    run(int)
    spare_of(server)


def test_the_next_process_is_the_spare(server: int) -> None:
    """And the one after that the next spare."""
    run(int)
    for _ in range(3):
        spare = spare_of(server)
        assert run(os.getpid) == (spare, spare)


def test_a_spare_that_was_killed_is_nobodys_loss(server: int) -> None:
    """The next process is forked, as the first was."""
    run(int)
    spare = spare_of(server)
    os.kill(spare, signal.SIGKILL)
    wait_until(lambda: not children_of(server), message="the server has reaped it")

    pid, result = run(os.getpid)

    assert pid == result != spare
    assert spare_of(server) != spare


def test_requests_meet_spares_that_are_being_killed(server: int) -> None:
    """Whenever it comes, each process ends well, or by just that kill."""
    for _ in range(60):
        process = CONTEXT.Process(target=sys.exit, args=(3,))
        for spare in children_of(server):
            with suppress(ProcessLookupError):  # it was a child that has ended meanwhile
                os.kill(spare, signal.SIGKILL)
        process.start()
        process.join()
        assert process.exitcode in (3, -signal.SIGKILL)
        process.close()
    assert run(int)[1] == 0
    assert forkserver._forkserver._forkserver_pid == server


@pytest.mark.orphans
def test_a_spare_ends_with_a_server_that_is_killed(server: int) -> None:
    """Its socket has closed; the next process has a new server."""
    run(int)
    spare = spare_of(server)
    os.kill(server, signal.SIGKILL)
    wait_until(lambda: has_ended(spare), timeout=5)
    assert run(int)[1] == 0


def test_a_spare_does_not_take_signals_of_the_terminal(server: int) -> None:
    """Ctrl-C is for those that do the work; the process that it becomes takes them again."""
    run(int)
    spare = spare_of(server)
    os.kill(spare, signal.SIGINT)
    pid, handler = run(signal.getsignal, signal.SIGINT)
    assert pid == spare
    assert handler is signal.default_int_handler


def test_it_takes_what_a_fork_takes(server: int) -> None:
    """A payload too long for a message, descriptors, the folder and the path of now."""
    run(int)
    spare = spare_of(server)
    reader, writer = CONTEXT.Pipe(duplex=False)
    with reader, writer:
        text = "x" * 1_000_000
        pid, length = run(send_length, writer, text)
        assert (pid, length) == (spare, len(text))
        assert reader.recv() == (len(text), os.getcwd())


def send_length(writer: Any, text: str) -> int:
    """Send how long *text* is, and the working folder; return the first."""
    writer.send((len(text), os.getcwd()))
    return len(text)


DYING = """
import sys, time
import procession

def parent(said, terms):
    child = procession.get_context("forkserver").Process(target=sleep, args=(said,), **terms)
    child.start()
    said.put(child.pid)
    time.sleep(600)

def sleep(said):
    said.put("sleeps")
    time.sleep(600)

if __name__ == "__main__":
    context = procession.get_context("forkserver")
    first = context.Process(target=int)  # from now on there is a spare
    first.start()
    first.join()
    said = context.Queue()
    process = procession.get_context(sys.argv[1]).Process(target=parent, args=(said, {terms}))
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
@pytest.mark.parametrize("terms", ["dict(daemon=True)", "dict(die_with_parent=True)", "dict()"])
def test_it_dies_with_those_that_a_fork_dies_with(terms: str, parents_method: str) -> None:
    """A daemon with its parent, everybody with the root."""
    with start_python(DYING.replace("{terms}", terms), parents_method) as program:
        child = int(program.read_line())
        program.write_line("kill the parent")
        assert program.read_line() == "killed"
        if terms == "dict()":
            assert not has_ended(child)
        else:
            wait_until(lambda: has_ended(child))
        program.send_signal(signal.SIGKILL)
        wait_until(lambda: not session_members(program.pid) - {program.pid})
        assert has_ended(child)
