"""Who is a member of a family, and what one that is not may do.

Idea: a process that shares objects without a slot of its own would release its parent's references,
and one of another PID namespace would break the locks of others. Both are told so by an error, at
the first use, and change nothing.
"""

import os
import pickle
import shutil
import sys

import pytest

import procession
from procession import _core
from procession.reduction import ForkingPickler
from tests.support import run_python

# ------------------------------------------------------------------------------------- bare forks

BARE_FORK = """
import ctypes, os, platform
import procession
from procession.sharedctypes import RawArray

CLONE = {"x86_64": 56, "aarch64": 220}[platform.machine()]
SIGCHLD = 17

def errors(*uses):
    for use in uses:
        try:
            use()
        except RuntimeError as error:
            yield "bare system call" in str(error)
        else:
            yield False

queue, lock = procession.Queue(), procession.Lock()
queue.put(1)
queue.get()
pid = ctypes.CDLL(None).syscall(CLONE, SIGCHLD, 0, 0, 0, 0)
if pid == 0:
    said = list(errors(lambda: queue.put(2), lock.acquire, procession.Event, queue.empty))
    del queue, lock
    os._exit(0 if said == [True] * 4 else 1)
_, status = os.waitpid(pid, 0)
print("child", os.waitstatus_to_exitcode(status))
arrays = [RawArray("i", 80) for _ in range(50)]
for number in range(20):
    queue.put(number)
print("changed", sum(any(array) for array in arrays))
print("items", [queue.get() for _ in range(20)] == list(range(20)), lock.acquire())
process = procession.Process(target=queue.put, args=(7,))
process.start()
process.join()
print("after", queue.get())
"""


def test_a_bare_fork_is_told_that_it_has_no_slot_and_releases_nothing() -> None:
    """Its parent's objects are whole after it has let go of its copies."""
    outcome = run_python(BARE_FORK)
    assert outcome.stdout.splitlines() == ["child 0", "changed 0", "items True True", "after 7"], (
        outcome
    )


# ---------------------------------------------------------------------------------- PID namespaces

NAMESPACE = """
import os, sys
import procession

def work(queue):
    queue.put(os.getpid())

def main():
    context = procession.get_context("spawn")
    context.set_executable(sys.argv[1])
    queue = context.Queue()
    process = context.Process(target=work, args=(queue,))
    process.start()
    process.join()
    print(process.exitcode != 0, queue.empty())

if __name__ == "__main__":
    main()
"""


def can_unshare() -> bool:
    """Whether this user may make a PID namespace."""
    return shutil.which("unshare") is not None and os.system("unshare --pid --fork true") == 0


@pytest.mark.skipif(not can_unshare(), reason="this user may not make a PID namespace")
def test_a_process_of_another_pid_namespace_is_refused(tmp_path: "os.PathLike[str]") -> None:
    """The error says what to do."""
    program = os.path.join(tmp_path, "python")
    with open(program, "w") as file:
        file.write(f'#!/bin/sh\nexec unshare --pid --fork "{sys.executable}" "$@"\n')
    os.chmod(program, 0o700)
    outcome = run_python(NAMESPACE, program)
    assert outcome.stdout.split() == ["True", "True"], outcome
    assert "in another PID namespace than the family" in outcome.stderr
    assert "unshare --pid" in outcome.stderr


FORK_INTO_NAMESPACE = """
import ctypes, os
import procession

queue = procession.Queue()
assert ctypes.CDLL(None).unshare(0x20000000) == 0
pid = os.fork()
if pid == 0:
    try:
        queue.put(1)
    except RuntimeError as error:
        os._exit(0 if "another PID namespace" in str(error) else 1)
    os._exit(2)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), queue.empty())
"""


@pytest.mark.skipif(not can_unshare(), reason="this user may not make a PID namespace")
def test_a_fork_into_another_pid_namespace_is_refused() -> None:
    """At the first use of what it has inherited."""
    assert run_python(FORK_INTO_NAMESPACE).stdout.split() == ["0", "True"]


# ------------------------------------------------------------------------------- forged references

OBJECTS = {
    "Block": lambda: _core.Block(100),
    "Lock": _core.Lock,
    "Channel": _core.Channel,
    "Semaphore": lambda: _core.Semaphore(1, 1),
    "Event": _core.Event,
    "Condition": lambda: procession.Condition(),
    "Barrier": lambda: procession.Barrier(2),
}


@pytest.mark.parametrize("name", ["Block", "Lock", "RLock", "Channel", "Semaphore", "Event"])
def test_a_reference_to_another_kind_of_object_is_refused(name: str) -> None:
    """A pickle that names the block of an event as a queue's is an error, not a crash."""
    wanted = getattr(_core, name)
    for other, make in OBJECTS.items():
        if other == name or {other, name} == {"Lock", "RLock"}:
            continue
        made = make()
        handle = made if isinstance(made, _core.Handle) else None
        if handle is None:
            continue
        attach, arguments = handle.__reduce__()[:2]
        with pytest.raises(TypeError, match="of another kind"):
            attach(wanted, *arguments[1:])
        assert isinstance(attach(type(handle), *arguments[1:]), type(handle))


def test_a_true_reference_is_as_before() -> None:
    """Also one of a class that a program derives."""
    event = _core.Event()
    copy = pickle.loads(ForkingPickler.dumps(event))
    event.set()
    assert copy.is_set()


# ------------------------------------------------------------------------------------- full tables

FULL = """
import procession
from procession import _core

starts = []
try:
    while True:
        starts.append(_core.ProcessStart())
        starts[-1].reserve()
except RuntimeError:
    pass
context = procession.get_context("fork")
process = context.Process(target=print, args=("ran",))
try:
    process.start()
except RuntimeError as error:
    print("more than" in str(error), process._popen)
starts.clear()
process = context.Process(target=print, args=("ran",))
process.start()
process.join()
"""


def test_a_start_by_fork_with_a_full_process_table_raises() -> None:
    """As the other methods do; the child would have no slot."""
    outcome = run_python(FULL)
    assert outcome.stdout.split() == ["True", "None", "ran"], outcome
