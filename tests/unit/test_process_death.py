"""Which processes end when another ends or is killed: daemons, descendants, the fork server."""

import os
import select
import signal
import subprocess
import sys
from typing import Any

import pytest

import procession
from procession import _core
from tests.support import programs_process as programs
from tests.support import run_python, start_python

METHODS = ("fork", "spawn", "forkserver")
WITHIN_S = 5.0  # a child that dies with its parent takes a second at most; the machine may be busy

FAMILY = r"""
import os, sys, threading, time
import procession

def child(depth):
    os.write(1, b"%d\n" % os.getpid())
    if depth:
        procession.Process(target=child, args=(depth - 1,)).start()
    while True:
        time.sleep(600)

if __name__ == "__main__":
    procession.set_start_method(sys.argv[1])
    how = sys.argv[2]
    options = {"daemon": {"daemon": True}, "die_with_parent": {"die_with_parent": True},
               "default": {}, "survives": {"daemon": True, "die_with_parent": False}}[how]
    process = procession.Process(target=child, args=(2,), **options)
    thread = threading.Thread(target=process.start)
    thread.start()
    thread.join()
    os.write(1, b"started\n")
    time.sleep(600)
"""


class Watched:
    """A process of another family, held by a descriptor: its id may be given to another."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._fd = os.pidfd_open(pid)

    def has_ended(self, timeout: float) -> bool:
        """Wait for its end."""
        poller = select.poll()
        poller.register(self._fd, select.POLLIN)
        return bool(poller.poll(timeout * 1000))

    def close(self) -> None:
        """Kill it unless it has ended; close the descriptor."""
        if not self.has_ended(0):
            signal.pidfd_send_signal(self._fd, signal.SIGKILL)
        os.close(self._fd)


def lines(program: Any, count: int) -> list[str]:
    """Return the next lines of the program's output."""
    found = [program.read_line() for _ in range(count)]
    assert all(found), program.finish().stderr
    return found


@pytest.mark.orphans
@pytest.mark.parametrize("how", ["daemon", "die_with_parent", "default"])
@pytest.mark.parametrize("method", METHODS)
def test_descendants_die_with_a_killed_root(method: str, how: str) -> None:
    """Three generations, daemons or not, though a thread started them that has ended before."""
    with start_python(FAMILY, method, how) as program:
        said = lines(program, 4)
        family = [Watched(int(line)) for line in said if line != "started"]
        assert len(family) == 3
        assert not any(each.has_ended(0) for each in family)

        program.kill()

        assert [each.has_ended(WITHIN_S) for each in family] == [True] * 3
        for each in family:
            each.close()


@pytest.mark.orphans
@pytest.mark.parametrize("method", METHODS)
def test_a_process_that_shall_not_die_with_its_parent_goes_on(method: str) -> None:
    """``die_with_parent=False``."""
    with start_python(FAMILY, method, "survives") as program:
        said = lines(program, 4)
        family = [Watched(int(line)) for line in said if line != "started"]

        program.kill()

        assert [each.has_ended(0.1) for each in family] == [False] * 3
        for each in family:
            each.close()


@pytest.mark.orphans
def test_a_child_learns_of_its_parents_death(ctx: Any) -> None:
    """`parent_process().join()` returns at once, and the parent is not alive any more."""
    ours, its = procession.Pipe()
    middle = ctx.Process(target=start_watcher, args=(its,))
    middle.start()
    assert ours.recv() == "waiting"

    middle.kill()
    middle.join()

    assert ours.recv() is False
    ours.close()
    its.close()


def start_watcher(connection: Any) -> None:
    """Start a child that watches this process, and wait to be killed."""
    procession.Process(target=programs.watch_parent, args=(connection,)).start()
    programs.sleep_for_ever()


@pytest.mark.orphans
def test_terminate_with_tree_ends_the_descendants() -> None:
    """Parents first, so that none of them starts another meanwhile."""
    reader, writer = procession.Pipe(duplex=False)
    top = procession.get_context("fork").Process(target=grow, args=(writer, 2))
    top.start()
    pids = [reader.recv() for _ in range(3)]
    watched = [Watched(pid) for pid in pids]

    top.kill(tree=True)
    top.join()

    assert [each.has_ended(WITHIN_S) for each in watched] == [True] * 3
    for each in watched:
        each.close()
    reader.close()
    writer.close()


def grow(writer: Any, depth: int) -> None:
    """Be a process with a child with a child."""
    writer.send(os.getpid())
    if depth:
        procession.get_context("fork").Process(target=grow, args=(writer, depth - 1)).start()
    programs.sleep_for_ever()


@pytest.mark.orphans
def test_the_fork_server_ends_with_its_family() -> None:
    """Also when every process of it was killed."""
    with start_python(
        """
        import os, time
        import procession
        from procession import forkserver
        if __name__ == "__main__":
            context = procession.get_context("forkserver")
            context.Process(target=time.sleep, args=(600,), daemon=True).start()
            print(forkserver._forkserver._forkserver_pid, flush=True)
            time.sleep(600)
        """
    ) as program:
        server = Watched(int(program.read_line()))
        assert not server.has_ended(0)

        program.kill()

        assert server.has_ended(WITHIN_S)
        server.close()


@pytest.mark.orphans
def test_a_killed_fork_server_is_replaced() -> None:
    """The next start makes a new one; what the old one started lives on."""
    outcome = run_python(
        """
        import os, signal, time
        import procession
        from procession import forkserver
        if __name__ == "__main__":
            context = procession.get_context("forkserver")
            old = context.Process(target=time.sleep, args=(600,), daemon=True)
            old.start()
            first = forkserver._forkserver._forkserver_pid
            os.kill(first, signal.SIGKILL)
            process = context.Process(target=exit, args=(5,))
            process.start()
            process.join()
            print(process.exitcode, first != forkserver._forkserver._forkserver_pid, old.is_alive())
        """
    )

    assert outcome.stdout == "5 True True\n", outcome.stderr


@pytest.mark.parametrize("method", METHODS)
def test_nothing_but_the_program_is_there_after_it(method: str) -> None:
    """The fork server has ended, and was waited for, when its program's exit is over."""
    before = set(os.listdir("/proc"))
    outcome = run_python(
        """
        import os, sys
        import procession
        if __name__ == "__main__":
            context = procession.get_context(sys.argv[1])
            process = context.Process(target=os.getpid, daemon=True)
            process.start()
            process.join()
            print(os.getpid())
        """,
        method,
    )

    session = outcome.stdout.strip()
    new = [pid for pid in os.listdir("/proc") if pid.isdigit() and pid not in before]
    assert [pid for pid in new if session_of(pid) == session] == []


def session_of(pid: str) -> str:
    """Return the session of a process; '' if it is gone."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rpartition(")")[2].split()[3]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def test_a_start_does_not_wait_for_a_child_that_died_early() -> None:
    """More data than a pipe holds, to an interpreter that ends before it reads anything."""
    context = procession.get_context("spawn")
    process = context.Process(target=programs.give, args=(bytes(1_000_000),))
    context.set_executable("/bin/true")
    try:
        process.start()
    finally:
        context.set_executable(sys.executable)

    process.join(30)

    assert process.exitcode == 0  # what /bin/true says


def test_a_process_that_execs_another_program_releases_its_references() -> None:
    """Its process goes on, but nothing of the family is in it: pid and start time alone mislead."""
    queue = procession.SimpleQueue()
    queue.put(bytes(1_000_000))
    program = subprocess.Popen(
        ["sh", "-c", "echo here; exec sleep 600"],
        stdout=subprocess.PIPE,
        preexec_fn=lambda: None,  # so that it is made by a fork, not by vfork
    )
    assert program.stdout is not None
    assert program.stdout.readline() == b"here\n"
    _core.reclaim_dead()

    in_use = _core.arena_usage()["used"]
    del queue
    _core.reclaim_dead()

    assert _core.arena_usage()["used"] < in_use - 1_000_000
    assert program.poll() is None
    program.kill()
    program.wait()
    program.stdout.close()
