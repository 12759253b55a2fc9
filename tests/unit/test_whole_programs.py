"""What a program as a whole may rely on, whatever parts of the package it uses."""

import os
import shutil
import sys
from pathlib import Path

import pytest

from tests.support import run_python, start_python, wait_until
from tests.support.commands import run_command

pytestmark = [pytest.mark.bare, pytest.mark.orphans]

METHODS = ("fork", "spawn", "forkserver")

EXIT = """
import atexit, sys, time
import procession

def square(number):
    return number * number

def end():
    queue.put(1)
    d["key"] = queue.get()
    print(dict(d))
    process.terminate()
    process.join()
    print(process.exitcode, pool.map(square, range(3)))
    pool.terminate()
    pool.join()
    manager.shutdown()
    print("ended")

if __name__ == "__main__":
    procession.set_start_method(sys.argv[1])
    queue, manager, pool = procession.Queue(), procession.Manager(), procession.Pool(1)
    d = manager.dict()
    process = procession.Process(target=time.sleep, args=(100,))
    process.start()
    atexit.register(end)
"""


@pytest.mark.parametrize("method", METHODS)
def test_exit_functions_may_use_everything(method: str) -> None:
    """Processes, queues, pools, managers: those that are registered last run first."""
    outcome = run_python(EXIT, method)

    assert (outcome.exitcode, outcome.stderr) == (0, "")
    assert outcome.stdout == "{'key': 1}\n-15 [0, 1, 4]\nended\n"


POOL = """
import os, sys, time
import procession

def busy(_):
    print(os.getpid(), flush=True)
    while True:
        pass

if __name__ == "__main__":
    procession.set_start_method(sys.argv[1])
    pool = procession.Pool(2)
    pool.apply_async(busy, (0,))
    time.sleep(100)
"""


@pytest.mark.parametrize("method", METHODS)
def test_workers_busy_and_idle_end_with_their_killed_parent(method: str) -> None:
    with start_python(POOL, method) as program:
        busy = int(program.read_line())
        family = [pid for pid in processes() if os.getsid(pid) == program.pid]
        program.kill()
        wait_until(lambda: not set(family) & alive(), 30, "the end of all workers")

    assert busy in family
    assert len(family) >= 3


def processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def alive() -> set[int]:
    """The processes that are no zombies; orphans come to the test run, which reaps them late."""
    found = set()
    for pid in processes():
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found.add(pid)
    return found


WITHOUT_MEMORY_FOLDER = """
import sys
import procession

def send(queue, lock):
    with lock:
        queue.put(bytes(1_000_000))

if __name__ == "__main__":
    procession.set_start_method(sys.argv[1])
    queue, lock, total = procession.Queue(), procession.Lock(), procession.Value("i", 3)
    process = procession.Process(target=send, args=(queue, lock))
    process.start()
    print(len(queue.get()), total.add(1))
    process.join()
    with procession.Pool(2) as pool:
        print(pool.map(abs, [-1, -2]))
"""

# The folder is missing, or has next to no room: in a name space of mounts of the program's own.
MOUNTS = {
    "missing": "mount -t tmpfs none /dev && mknod /dev/null c 1 3 && mknod /dev/urandom c 1 9",
    "small": "mount -t tmpfs -o size=64k none /dev/shm",
}


@pytest.mark.parametrize("folder", MOUNTS)
@pytest.mark.parametrize("method", METHODS)
def test_queues_locks_and_pools_need_no_memory_folder(
    method: str, folder: str, tmp_path: Path
) -> None:
    """As in containers."""
    if shutil.which("unshare") is None or run_command(["unshare", "-m", "true"], tmp_path).exitcode:
        pytest.skip("mounts cannot be made here")
    program = tmp_path / "program.py"
    program.write_text(WITHOUT_MEMORY_FOLDER)
    command = f'{MOUNTS[folder]} && exec "$@"'
    python = (sys.executable, str(program), method)

    outcome = run_command(["unshare", "-m", "sh", "-c", command, "sh", *python], tmp_path)

    assert (outcome.exitcode, outcome.stderr) == (0, "")
    assert outcome.stdout == "1000000 4\n[1, 2]\n"
