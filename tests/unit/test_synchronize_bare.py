"""What an operation without contention costs: one call into C, no Python frame, no system call.

Idea: the interpreter tells a profiler of each Python frame; the kernel kills a process in strict
seccomp mode at its first system call other than read and write.
"""

import ctypes
import os
import select
import signal
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from procession import _core
from procession.sharedctypes import Array, Value
from procession.synchronize import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    Lock,
    RLock,
    Semaphore,
)

Operation = Callable[[], object]

PR_SET_SECCOMP, SECCOMP_MODE_STRICT = 22, 1
TIMES = 2000  # often enough that an operation which makes a call now and then is found


class Point(ctypes.Structure):
    """What a program may define."""

    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_int))


def operations() -> dict[str, tuple[Operation, ...]]:
    """Return, by name, bound methods of fresh objects, to be called in this order."""
    found: dict[str, tuple[Operation, ...]] = {}
    for kind in (Lock, RLock, Semaphore, BoundedSemaphore, Condition):
        lock: Any = kind()
        name = kind.__name__
        found[f"{name}.acquire/release"] = (lock.acquire, lock.release)
        found[f"{name}.with"] = (lock.__enter__, leaving(lock))
        if hasattr(lock, "locked"):
            found[f"{name}.locked"] = (lock.locked,)
    nested = RLock()
    found["RLock, nested"] = (nested.acquire, nested.acquire, nested.release, nested.release)
    over_lock = Condition(Lock())
    found["Condition(Lock)"] = (over_lock.acquire, over_lock.notify, over_lock.release)
    condition = Condition()
    found["Condition.notify"] = (
        condition.acquire,
        condition.notify,
        condition.notify_all,
        condition.release,
    )
    event = Event()
    found["Event"] = (event.set, event.is_set, event.wait, event.clear, event.is_set)
    barrier = Barrier(1)
    found["Barrier"] = (barrier.wait, barrier.abort, barrier.reset)
    semaphore = Semaphore(2)
    found["Semaphore.get_value"] = (semaphore.get_value,)
    return found


def leaving(lock: Any) -> Operation:
    """Return what leaves ``with lock``, without a frame of its own."""
    return partial(lock.__exit__, None, None, None)


def value_operations() -> dict[str, tuple[Operation, ...]]:
    """Return those of values and arrays; attributes and items by the C functions behind them."""
    value, real, array = Value("q", 1), Value("d", 1.5), Array("i", 10)
    point, text = Value(Point, 1, 2), Array("c", b"text")
    bare = Value("i", 1, lock=Lock())
    return {
        "Value.value": (partial(getattr, value, "value"), partial(setattr, value, "value", 3)),
        "Value of a real": (partial(getattr, real, "value"), partial(setattr, real, "value", 3.5)),
        "Value with a Lock": (partial(setattr, bare, "value", 3), partial(bare.add, 1)),
        "Value.add": (partial(value.add, 2),),
        "Value.compare_and_set": (partial(value.compare_and_set, 1, 1),),
        "Value.get_lock": (value.get_lock, value.get_obj),
        "Value.with": (value.__enter__, leaving(value)),
        "Array item": (partial(array.__getitem__, 3), partial(array.__setitem__, 3, 5)),
        "Array slice": (partial(array.__getitem__, slice(2, 4)),),
        "a structure's field": (partial(getattr, point, "x"), partial(setattr, point, "y", 5)),
        "a string": (partial(getattr, text, "value"), partial(setattr, text, "raw", b"abcd")),
    }


NAMES = [*operations(), *value_operations()]


def chosen(name: str) -> tuple[Operation, ...]:
    """Return the calls of the operation *name*, on objects of its own."""
    return {**operations(), **value_operations()}[name]


@pytest.mark.parametrize("name", NAMES)
def test_an_operation_without_contention_runs_no_python_code(name: str) -> None:
    """No frame but that of its caller."""
    calls, frames = chosen(name), []

    def note(frame: Any, event: str, _: object) -> None:
        if event == "call":
            frames.append(frame.f_code.co_qualname)

    sys.setprofile(note)
    try:
        for call in calls:
            call()
    finally:
        sys.setprofile(None)

    assert frames == []


def may_be_strict() -> bool:
    """Whether this system lets a process forbid itself system calls."""
    pid = _core.fork()
    if pid == 0:
        os._exit(ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0) != 0)
    # Those that may are killed by the system call which ends a process.
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL


def survives_without_system_calls(calls: tuple[Operation, ...]) -> bool:
    """Whether a child that is killed by any system call comes to the end of many of *calls*."""
    read, write = os.pipe()
    pid = _core.fork()
    if pid == 0:
        for _ in range(TIMES):  # what the interpreter takes memory for, it has by then
            for call in calls:
                call()
        ctypes.CDLL(None).prctl(PR_SET_SECCOMP, SECCOMP_MODE_STRICT, 0, 0, 0)
        for _ in range(TIMES):
            for call in calls:
                call()
        os.write(write, b"done")
        os._exit(0)  # kills it
    os.close(write)
    os.waitpid(pid, 0)
    try:
        return bool(select.select([read], [], [], 0)[0]) and os.read(read, 4) == b"done"
    finally:
        os.close(read)


@pytest.mark.skipif(not may_be_strict(), reason="this system forbids strict seccomp mode")
@pytest.mark.parametrize("name", NAMES)
def test_an_operation_without_contention_makes_no_system_call(name: str) -> None:
    """Neither the kernel is asked nor is the interpreter's lock let go, which could ask it."""
    assert survives_without_system_calls(chosen(name))


@pytest.mark.skipif(not may_be_strict(), reason="this system forbids strict seccomp mode")
def test_a_system_call_would_be_noticed() -> None:
    """The test above can fail."""
    assert not survives_without_system_calls((os.getppid,))
