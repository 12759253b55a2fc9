"""Many starts, many at once, many killed: nothing grows, nobody is left."""

import os
import random
import resource
import select
import signal
from typing import Any

import pytest

import procession
from procession import _core
from tests.support import programs_process as programs
from tests.support import start_python

STARTS = {"fork": 2000, "forkserver": 2000, "spawn": 40}
PATIENCE = 60.0


def footprint() -> tuple[int, int]:
    """Return how many descriptors this process has, and the bytes in use in the arena."""
    _core.reap()
    return len(os.listdir("/proc/self/fd")), _core.arena_usage()["used"]


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_starts_and_joins_leave_nothing(ctx: Any) -> None:
    """No zombie, no descriptor, no memory of the arena, however many there were."""

    def start_and_join() -> None:
        process = ctx.Process(target=int)  # nothing that the fork server's child has to import
        process.start()
        process.join()
        assert process.exitcode == 0
        process.close()

    for _ in range(5):
        start_and_join()
    before = footprint()

    for _ in range(STARTS[ctx.get_start_method()]):
        start_and_join()

    assert footprint() == before
    assert procession.active_children() == []


@pytest.mark.slow
@pytest.mark.timeout(240)
@pytest.mark.parametrize(("method", "count"), [("fork", 200), ("forkserver", 200), ("spawn", 25)])
def test_many_are_alive_at_once(method: str, count: int) -> None:
    """All of them run, all of them end."""
    ctx = procession.get_context(method)
    processes = [ctx.Process(target=programs.sleep_for_ever, daemon=True) for _ in range(count)]
    for process in processes:
        process.start()
    assert len({process.pid for process in processes}) == count
    assert all(process.is_alive() for process in processes)

    for process in processes:
        process.kill()

    for process in processes:
        process.join(PATIENCE)
        assert process.exitcode == -signal.SIGKILL
        process.close()


ROOT = r"""
import os, sys, time
import procession

def work(depth):
    os.write(1, b"%d\n" % os.getpid())
    if depth:
        procession.Process(target=work, args=(depth - 1,), daemon=True).start()
    time.sleep(600)

if __name__ == "__main__":
    procession.set_start_method(sys.argv[1])
    while True:
        procession.Process(target=work, args=(1,), daemon=True).start()
        if len(procession.active_children()) > (20 if sys.argv[1] == "spawn" else 3):
            for child in procession.active_children():
                child.kill()
                child.join()
"""


@pytest.mark.slow
@pytest.mark.orphans
@pytest.mark.timeout(240)
def test_a_storm_that_kills_roots_leaves_no_orphan(ctx: Any) -> None:
    """A root that is killed at any moment, in the middle of starts and kills, takes all along."""
    method = ctx.get_start_method()
    choice = random.Random(4)
    for _ in range(3 if method == "spawn" else 10):
        with start_python(ROOT, method) as program:
            said = [
                program.read_line()
                for _ in range(choice.randint(1, 6 if method == "spawn" else 12))
            ]
            assert all(said), program.finish().stderr

            program.kill()

            assert not still_running(program.pid, within_s=1.0)


def still_running(session: int, within_s: float) -> list[str]:
    """Wait until no process of the session runs any more; return those that do after that time."""
    members = [pid for pid in os.listdir("/proc") if pid.isdigit() and runs_in(pid, session)]
    for pid in members:
        try:
            pidfd = os.pidfd_open(int(pid))
        except ProcessLookupError:
            continue
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.poll(within_s * 1000)
        os.close(pidfd)
    return [pid for pid in os.listdir("/proc") if pid.isdigit() and runs_in(pid, session)]


def runs_in(pid: str, session: int) -> bool:
    """Whether the process belongs to the session and has not ended."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            state, _, _, its = file.read().rpartition(")")[2].split()[:4]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return int(its) == session and state not in "ZX"


def test_a_start_that_fails_leaves_nothing() -> None:
    """Out of descriptors at every moment: an OSError, and no more of them than before."""
    before = len(os.listdir("/proc/self/fd"))
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    failed = 0
    for method in ("fork", "spawn", "forkserver"):
        for spare in range(12):
            process = procession.get_context(method).Process(target=programs.give, args=(None,))
            highest = max(int(fd) for fd in os.listdir("/proc/self/fd"))
            fillers = fill_below(highest)
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + spare, limits[1]))
                process.start()
            except OSError:
                failed += 1
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                for fd in fillers:
                    os.close(fd)
            if process.pid is not None:
                process.join(PATIENCE)
            process.close()

    assert failed > 0
    assert len(os.listdir("/proc/self/fd")) == before


def fill_below(highest: int) -> list[int]:
    """Take every free descriptor below *highest*."""
    taken = []
    while (fd := os.open(os.devnull, os.O_RDONLY)) < highest:
        taken.append(fd)
    os.close(fd)
    return taken
