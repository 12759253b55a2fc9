"""The fork server is killed: its children are known, waited for and ended all the same."""

import errno
import os
import time
from typing import Any

import pytest

import procession
from procession import popen_forkserver
from procession.forkserver import _protocol
from tests.support import Outcome, run_python
from tests.support.kill import has_ended
from tests.support.waiting import wait_until

pytestmark = pytest.mark.orphans

HEAD = """
import errno, os, signal, sys, time
import procession
from procession import forkserver
from procession.connection import wait
context = procession.get_context("forkserver")

def server():
    forkserver.ensure_running()
    return forkserver._forkserver._forkserver_pid

def kill_server():
    pid = server()
    os.kill(pid, signal.SIGKILL)
    return pid

def end_when_told(pipe, code):
    pipe.recv()
    os._exit(code)

def start(target, *args):
    process = context.Process(target=target, args=args)
    process.start()
    return process

"""


def run_program(body: str, *args: str, env: dict[str, str] | None = None) -> Outcome:
    """Run the program of the functions above and *body*, its main part."""
    lines = "".join(f"    {line}\n" for line in body.strip().split("\n"))
    return run_python(HEAD + 'if __name__ == "__main__":\n' + lines, *args, env=env, timeout=120)


def test_living_children_stay_known() -> None:
    """They run, are waited for, get signals, and their exit codes are their own."""
    outcome = run_program(
        """
there, here = procession.Pipe()
first, second, third, fourth = (
    start(end_when_told, here, 7), *[start(time.sleep, 600) for _ in range(3)]
)
kill_server()
first.join(0.2)
print([p.is_alive() for p in (first, second, third, fourth)], first.exitcode)
print(len(procession.active_children()), wait([first.sentinel, second.sentinel], 0))
there.send(0)
print(wait([first.sentinel, second.sentinel]) == [first.sentinel])
first.join()
second.terminate()
second.join()
third.kill()
third.join()
fourth.interrupt()
wait([fourth.sentinel])
print([p.exitcode for p in (first, second, third, fourth)], procession.active_children())
"""
    )

    known = "[True, True, True, True] None\n4 []\nTrue\n[7, -15, -9, 1] []\n"
    assert outcome.stdout == known, outcome.stderr


def test_a_stopped_server_hides_no_end() -> None:
    """Its child is seen to have ended, with its exit code, before the server has reaped it."""
    outcome = run_program(
        """
there, here = procession.Pipe()
process = start(end_when_told, here, 7)
os.kill(server(), signal.SIGSTOP)
there.send(0)
process.join()
print(process.exitcode, process.is_alive(), procession.active_children())
os.kill(server(), signal.SIGCONT)
"""
    )

    assert outcome == Outcome("7 False []\n", "", 0)


POOL = """
def task(number):
    time.sleep(0.002)
    return number

def kill_servers(count):
    for _ in range(count):
        results = [pool.apply_async(task, (i,)) for i in range(50)]
        pids = {worker.pid for worker in pool._pool}
        kill_server()
        assert [result.get(30) for result in results] == list(range(50))
        assert {worker.pid for worker in pool._pool} == pids

def kill_workers():
    for pid in [worker.pid for worker in pool._pool]:
        os.kill(pid, signal.SIGKILL)
    assert sorted(pool.map(task, range(50), retries=3)) == list(range(50))
    return {worker.pid for worker in pool._pool}
"""


@pytest.mark.parametrize("kills", [30])
def test_a_pool_loses_nothing_by_it(kills: int) -> None:
    """Its workers go on, the successors come from a new server, and terminate() ends them all."""
    outcome = run_python(
        HEAD
        + POOL
        + """
if __name__ == "__main__":
    pool = context.Pool(3)
    pool.map(task, range(6))
    for _ in range(3):
        kill_servers(int(sys.argv[1]) // 3)
        kill_workers()
    kill_server()
    living = [worker._popen for worker in pool._pool]
    pool.terminate()
    pool.join()
    print([popen.poll() is not None for popen in living], procession.active_children())
""",
        str(kills),
        timeout=120,
    )

    assert outcome.stdout == "[True, True, True] []\n", outcome.stderr


# Imported by the server before it forks: it is killed once, at one passage of one step.
KILLED_AT = """
import os, signal
from procession.forkserver import _prefork, _protocol, _server
from procession._launch import parent_death

server = os.getpid()
owner, name, when, passage = os.environ["KILLED_AT"].split()
owner = {"server": _server, "Server": _server.Server, "death": parent_death,
         "Prefork": _prefork.PreforkChild, "core": _server._core, "os": os}[owner]
original = getattr(owner, name)
passages = 0

def die(at):
    global passages
    if at != when or os.getpid() != server:
        return
    passages += 1
    if passages == int(passage):
        try:
            os.close(os.open("killed", os.O_CREAT | os.O_EXCL))
        except FileExistsError:
            return
        os.kill(server, signal.SIGKILL)

def step(*args, **kwargs):
    die("before")
    result = original(*args, **kwargs)
    die("after")
    return result

setattr(owner, name, step)
"""

STEPS = [
    "server receive before 1",
    "server receive after 1",
    "server receive after 2",
    "death fork before 1",
    "death fork after 1",
    "death fork after 2",  # of the prefork child
    "Prefork assign before 1",
    "Prefork assign after 1",
    "Server _reap before 1",
    "server write_answer before 1",
    "server write_answer after 1",
    "os waitpid before 1",
    "os waitpid after 1",
]


@pytest.mark.parametrize("step", STEPS)
def test_a_server_killed_at_a_step_costs_no_start(step: str, tmp_path: Any) -> None:
    """Each process is started once, whatever of its start the server had done."""
    (tmp_path / "killed_at.py").write_text(KILLED_AT)
    outcome = run_program(
        f"""
os.chdir({str(tmp_path)!r})
sys.path.insert(0, os.getcwd())
context.set_forkserver_preload(["killed_at"], on_error="fail")
ran = context.Semaphore(0)
for _ in range(4):
    process = start(ran.release)
    process.join(30)
    print(process.exitcode, ran.acquire(False), ran.acquire(False))
print(os.path.exists("killed"))
""",
        env={"KILLED_AT": step},
    )

    assert outcome.stdout == "0 True False\n" * 4 + "True\n", outcome.stderr


WITHOUT_PIDFDS = """
import os, errno

def refused(*_):
    raise OSError(errno.{error}, "refused")

os.pidfd_open = refused
"""


@pytest.mark.parametrize("error", ["ENOSYS", "EPERM"])
def test_without_pidfds_the_child_holds_a_socket(error: str, tmp_path: Any) -> None:
    """Its end is that of the socket: not that of the server, and not of a process that it forked.

    The exit code is lost with the server.
    """
    (tmp_path / "without_pidfds.py").write_text(WITHOUT_PIDFDS.format(error=error))
    outcome = run_program(
        f"""
os.chdir({str(tmp_path)!r})
sys.path.insert(0, os.getcwd())
import without_pidfds
context.set_forkserver_preload(["without_pidfds"], on_error="fail")
process = start(sys.exit, 5)
process.join()
print(process.exitcode, wait([process.sentinel], 0) == [process.sentinel])
first, second = (start(time.sleep, 600) for _ in range(2))
kill_server()
first.join(0.2)
print(first.is_alive(), second.is_alive())
first.terminate()
first.join()
second.kill()
second.join()
print(first.exitcode, second.exitcode, procession.active_children())
"""
    )

    assert outcome.stdout == "5 True\nTrue True\n255 255 []\n", outcome.stderr


def test_closed_descriptors_end_no_child() -> None:
    """The program closes what it does not know; its own files that get the numbers stay open."""
    outcome = run_program(
        """
process = context.Process(target=time.sleep, args=(600,), die_with_parent=False)
process.start()
kill_server()
os.closerange(3, 200)
own = [os.open("/dev/zero", os.O_RDONLY) for _ in range(100)]
print(process.is_alive(), process.exitcode)
process.terminate()
process.join()
print(process.exitcode)
process.close()
print({len(os.read(fd, 1)) for fd in own})
os._exit(0)
"""
    )

    assert outcome == Outcome("True None\n-15\n{1}\n", "", 0)


# ---- a start that is given up


class _Given(Exception):
    """Raised in the middle of a start."""


def test_a_start_that_is_given_up_leaves_no_child(monkeypatch: Any) -> None:
    """The child has reported itself already: it is killed, and its end is waited for."""
    learn, pids = popen_forkserver.Popen._learn_pid, []

    def interrupted(self: Any) -> None:
        learn(self)
        pids.append(self.pid)
        raise _Given

    monkeypatch.setattr(popen_forkserver.Popen, "_learn_pid", interrupted)
    process = procession.get_context("forkserver").Process(target=time.sleep, args=(600,))
    with pytest.raises(_Given):
        process.start()

    assert has_ended(pids[0])
    assert process not in procession.active_children()


def test_a_report_that_was_not_read_is_read_then(monkeypatch: Any) -> None:
    """The interruption comes while the client waits, and the child has started meanwhile."""
    pids = []

    def interrupted(self: Any) -> None:
        assert self._wait_for_answer(30)
        raise _Given

    def noting(fd: int) -> tuple[int, int, int, int | None]:
        answer = _protocol.peek_start(fd)
        pids.append(answer[1])
        return answer

    monkeypatch.setattr(popen_forkserver, "peek_start", noting)
    monkeypatch.setattr(popen_forkserver.Popen, "_learn_pid", interrupted)
    process = procession.get_context("forkserver").Process(target=time.sleep, args=(600,))
    with pytest.raises(_Given):
        process.start()

    assert has_ended(pids[0])
    assert process not in procession.active_children()


def test_a_pidfd_that_an_exception_has_lost_is_closed(monkeypatch: Any) -> None:
    """It was received, and the handler of a signal raised before it was noted."""

    def interrupted(self: Any) -> None:
        assert self._wait_for_answer(30)
        assert _protocol.peek_start(self._status.fd)[3] is not None
        raise _Given

    monkeypatch.setattr(popen_forkserver.Popen, "_learn_pid", interrupted)
    start_and_give_up()
    before = len(os.listdir("/proc/self/fd"))
    start_and_give_up()

    assert len(os.listdir("/proc/self/fd")) == before


def start_and_give_up() -> None:
    """Start a process whose start is given up."""
    process = procession.get_context("forkserver").Process(target=time.sleep, args=(600,))
    with pytest.raises(_Given):
        process.start()


def test_a_process_without_a_number_for_its_sentinel_is_not_started(monkeypatch: Any) -> None:
    """The pidfd was sent, but no descriptor was left to receive it."""
    pids = []

    def without_room(fd: int) -> tuple[int, int, int, None]:
        kind, pid, number, pidfd = _protocol.peek_start(fd)
        assert pidfd is not None
        os.close(pidfd)
        pids.append(pid)
        return kind, pid, number, None

    monkeypatch.setattr(popen_forkserver, "peek_start", without_room)
    process = procession.get_context("forkserver").Process(target=time.sleep, args=(600,))
    with pytest.raises(OSError, match="raise the limit RLIMIT_NOFILE") as raised:
        process.start()

    assert raised.value.errno == errno.EMFILE
    wait_until(lambda: has_ended(pids[0]))
