"""Many starts, many at once, many killed: nothing grows, nobody is left."""

import os
import random
import resource
import select
from typing import Any

import pytest

import procession
from tests.support import Outcome, run_python, start_python, structure
from tests.support import programs_process as programs

TIMEOUT = 60.0
SOURCES = {"PYTHONPATH": str(structure.ROOT / "src")}

# Interpreters without site folders, since it is starts that are counted, and four at a time, since
# there is more than one processor.
STARTS = """
import os, sys
import procession
from procession import _core

def start_and_join(count, width=4):
    for _ in range(0, count, width):
        processes = [ctx.Process(target=int) for _ in range(width)]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
            assert process.exitcode == 0
            process.close()

def footprint():
    _core.reclaim_dead()
    resident = int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGESIZE")
    usage = _core.arena_usage()
    assert usage["slots"] < 32  # there never were more at once
    return len(os.listdir("/proc/self/fd")), usage["used"], resident

def children():
    return open(f"/proc/self/task/{os.getpid()}/children").read().split()

if __name__ == "__main__":
    ctx = procession.get_context(sys.argv[1])
    start_and_join(100)
    before, helpers = footprint(), children()  # the fork server is one
    start_and_join(int(sys.argv[2]))
    after = footprint()
    assert after[:2] == before[:2], (before, after)
    assert after[2] < before[2] + 2_000_000, (before, after)
    assert children() == helpers, children()
    print("done")
"""


@pytest.mark.slow
@pytest.mark.timeout(70)
@pytest.mark.parametrize(
    ("method", "starts"), [("fork", 2000), ("forkserver", 2000), *[("spawn", 250)] * 8]
)
def test_starts_and_joins_leave_nothing(method: str, starts: int) -> None:
    """After 2,000: no zombie, no descriptor, no slot and no memory, of the arena or of its own."""
    outcome = run_python(STARTS, method, str(starts), options=("-S",), env=SOURCES, timeout=70)

    assert outcome == Outcome("done\n", "", 0)


MANY = """
import os, signal, sys, time
import procession

if __name__ == "__main__":
    ctx = procession.get_context(sys.argv[1])
    processes = [ctx.Process(target=time.sleep, args=(1000,), daemon=True) for _ in range(200)]
    for process in processes:
        process.start()
    assert len({process.pid for process in processes}) == 200
    assert all(process.is_alive() for process in processes)
    assert len(procession.active_children()) == 200
    for process in processes:
        process.kill()
    for process in processes:
        process.join()
        assert process.exitcode == -signal.SIGKILL
        process.close()
    print("done")
"""


@pytest.mark.slow
@pytest.mark.timeout(70)
def test_two_hundred_are_alive_at_once(ctx: Any) -> None:
    """All of them run, and when they are killed, all of them end."""
    method = ctx.get_start_method()
    outcome = run_python(MANY, method, options=("-S",), env=SOURCES, timeout=70)

    assert outcome == Outcome("done\n", "", 0)


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
        for extra in range(12):
            process = procession.get_context(method).Process(target=programs.give, args=(None,))
            highest = max(int(fd) for fd in os.listdir("/proc/self/fd"))
            fillers = fill_below(highest)
            try:
                resource.setrlimit(resource.RLIMIT_NOFILE, (highest + 1 + extra, limits[1]))
                process.start()
            except OSError:
                failed += 1
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
                for fd in fillers:
                    os.close(fd)
            if process.pid is not None:
                process.join(TIMEOUT)
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
