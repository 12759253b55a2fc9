"""A family whose root was killed: no process, no file, no socket is left.

Idea: the program lives with everything that could outlast it: daemons of each start method, asleep
and busy, and their children, queues with large messages inside, locks that are held, pipes. Then
its root is killed by SIGKILL. What is looked at is what a user would find: the processes (by a mark
in their environment), /dev/shm, the temporary folder, sockets with a name.
"""

import os
import tempfile
import time
from pathlib import Path

import pytest

from tests.support.programs import Program, start_python
from tests.support.waiting import wait_until

WITHIN = 10.0  # seconds; a machine with nothing else to do needs tenths of one

FAMILY = """
    import os, time
    import procession as mp

    def sleeper(queue, ready):
        ready.put(os.getpid())
        queue.get()

    def busy(ready):
        ready.put(os.getpid())
        while True:
            pass

    def holder(lock, ready):
        with lock:
            ready.put(os.getpid())
            time.sleep(1000)

    def parent(method, ready):
        ctx = mp.get_context(method)
        child = ctx.Process(target=sleeper, args=(ctx.Queue(), ready), daemon=True)
        child.start()
        ready.put(os.getpid())
        child.join()

    def main():
        ready, full = mp.Queue(), mp.Queue()
        full.put(b"x" * 50_000_000)
        for method in ("fork", "spawn", "forkserver"):
            ctx = mp.get_context(method)
            for target, args in (
                (sleeper, (ctx.Queue(), ready)),
                (busy, (ready,)),
                (holder, (mp.Lock(), ready)),
                (parent, (method, ready)),
            ):
                ctx.Process(target=target, args=args, daemon=True).start()
        receiver, sender = mp.Pipe()
        for _ in range(15):
            print(ready.get(timeout=30), flush=True)
        print("ready", flush=True)
        time.sleep(1000)

    if __name__ == "__main__":
        main()
"""


def marked(mark: str) -> list[int]:
    """Return the pids of all processes, zombies aside, with *mark* in their environment."""
    found = []
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue  # ended meanwhile, or another user's
    return found


def socket_files() -> set[str]:
    """Return the names of all sockets of this system that have one, abstract ones included."""
    lines = Path("/proc/net/unix").read_text().splitlines()[1:]
    return {fields[7] for fields in map(str.split, lines) if len(fields) > 7}


def wait_ready(program: Program) -> int:
    """Wait until the family is complete; how many processes reported."""
    count = 0
    while (line := program.read_line()) != "ready":
        assert line, f"the program ended: {program.finish().stderr}"
        count += 1
    return count


@pytest.mark.slow
@pytest.mark.orphans
def test_nothing_is_left_of_a_family_whose_root_was_killed() -> None:
    """Daemons of each start method, and their children: gone."""
    mark = f"PROCESSION_TEST_MARK={os.getpid()}-{time.monotonic_ns()}"
    name, _, value = mark.partition("=")
    with tempfile.TemporaryDirectory(prefix="procession-tmp-") as folder:
        environment = {name: value, "TMPDIR": folder}
        with start_python(FAMILY, env=environment) as program:
            before_sockets = socket_files()
            assert wait_ready(program) == 15
            assert len(marked(mark)) >= 16
            shared = set(os.listdir("/dev/shm"))

            program.kill()

            wait_until(lambda: not marked(mark), WITHIN, "every process of the family is gone")
            assert os.listdir(folder) == [], "files of the family in its temporary folder"
            assert set(os.listdir("/dev/shm")) <= shared
            assert not {each for each in socket_files() - before_sockets if "rocession" in each}


@pytest.mark.slow
@pytest.mark.orphans
def test_files_are_not_even_made_while_a_family_lives() -> None:
    """Queues, locks and processes need no name in any file system."""
    with tempfile.TemporaryDirectory(prefix="procession-tmp-") as folder:
        shared = set(os.listdir("/dev/shm"))
        with start_python(FAMILY, env={"TMPDIR": folder}) as program:
            wait_ready(program)

            assert os.listdir(folder) == []
            assert set(os.listdir("/dev/shm")) <= shared
