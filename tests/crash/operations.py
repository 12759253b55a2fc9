"""Every operation of every synchronization and value type; what holds after it was cut short."""

import ctypes
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from procession import BrokenLockError
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
from tests.crash.waiters import or_broken, usable
from tests.support.kill import WITHIN, Child, child

Use = Callable[[Any], object]
A_MOMENT = 0.001  # seconds; a timeout that passes


class Point(ctypes.Structure):
    """What a program may define."""

    _fields_ = (("x", ctypes.c_longlong), ("y", ctypes.c_longlong))


def nothing(_: object) -> None:
    """Do nothing."""


def take(lock: Any) -> None:
    """Take it."""
    lock.acquire()


# -------------------------------------------------------------------------------- what remains true


def lock_is_well(lock: Any) -> None:
    """It can be taken, perhaps after a reset, and is free then."""
    assert usable(lock)
    assert not lock.locked()


def permits_are(count: int) -> Use:
    """As many are there as there were; each can be taken."""

    def check(semaphore: Any) -> None:
        for _ in range(count):
            assert semaphore.acquire(timeout=WITHIN)
        assert not semaphore.acquire(block=False)

    return check


def event_is_well(event: Any) -> None:
    """It is in one state or the other, and can be brought into each."""
    assert event.is_set() is event.wait(0)
    event.clear()
    assert not event.is_set()
    event.set()
    assert event.wait(WITHIN)


def condition_is_well(condition: Any) -> None:
    """One who waits on it is woken by a notification."""
    assert usable(condition._lock)

    def wait() -> None:
        with condition:
            while condition.wait(10 * WITHIN):
                return

    with child(wait) as waiter:
        while waiter.exitcode is None and not waiter_is_gone(waiter):
            with condition:
                condition.notify()
        assert waiter.wait() == 0


def waiter_is_gone(process: Child) -> bool:
    """Whether the child has ended."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def barrier_is_well(barrier: Any) -> None:
    """After a reset its parties pass."""
    barrier.reset()
    with child(barrier.wait) as other:
        barrier.wait(WITHIN)
        assert other.wait(WITHIN) == 0
    assert not barrier.broken


def value_is_one_of(*values: object) -> Use:
    """It is what it was, or what it was to be; its lock can be taken."""

    def check(value: Any) -> None:
        assert usable(value.get_lock())
        obj = value.get_obj()
        now = getattr(obj, "value", None)
        assert (tuple(obj) if now is None else now) in values

    return check


def fields_are_numbers(point: Any) -> None:
    """Each field is as it was, or as it was to be; the lock can be taken."""
    assert usable(point.get_lock())
    assert point.x in (1, 5)


# ----------------------------------------------------------------------------------- the operations


@dataclass(frozen=True)
class Case:
    """An operation: what is prepared, what is done, what must hold afterwards."""

    make: Callable[[], Any]
    act: Use
    check: Use
    prepare: Use = nothing


def have_it_held_by_a_dead_process(lock: Any) -> None:
    """Nobody has noticed yet that it died."""
    Child(lambda: (lock.acquire(), os.kill(os.getpid(), signal.SIGKILL)), reclaim=False).wait()


def break_it(lock: Any) -> None:
    """Have its holder die, and notice."""
    have_it_held_by_a_dead_process(lock)
    with pytest.raises(BrokenLockError):
        lock.acquire()


def with_(lock: Any) -> None:
    """Take it and give it back."""
    with lock:
        pass


def twice(lock: Any) -> None:
    """Take it and take it again, give it back and give it back again."""
    with lock, lock:
        pass


def wait_in_vain(condition: Any) -> None:
    """One wait that nobody ends."""
    with condition:
        condition.wait(A_MOMENT)


def notify(condition: Any) -> None:
    """One notification."""
    with condition:
        condition.notify()


def notify_all(condition: Any) -> None:
    """One to all."""
    with condition:
        condition.notify_all()


def come_in_vain(barrier: Any) -> None:
    """To a barrier to which nobody else comes: it breaks."""
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait(A_MOMENT)


CASES = {
    **{
        f"{kind.__name__}.{name}": Case(kind, act, lock_is_well, prepare)
        for kind in (Lock, RLock)
        for name, act, prepare in (
            ("acquire", take, nothing),
            ("acquire(timeout)", lambda lock: lock.acquire(True, A_MOMENT), nothing),
            ("release", lambda lock: lock.release(), take),
            ("with", with_, nothing),
            ("locked", lambda lock: lock.locked(), nothing),
            ("holder", lambda lock: lock.holder(), take),
            ("reset", lambda lock: lock.reset(), take),
        )
    },
    "RLock, nested": Case(RLock, twice, lock_is_well),
    "RLock, within": Case(RLock, twice, lock_is_well, take),
    "Lock.reset of a broken one": Case(Lock, lambda lock: lock.reset(), lock_is_well, break_it),
    "Lock.acquire of a dead holder's": Case(
        Lock,
        lambda lock: or_broken(lock.acquire, BrokenLockError)(),
        lock_is_well,
        have_it_held_by_a_dead_process,
    ),
    "Lock that is passed on": Case(
        lambda: Lock(on_owner_death="release"), with_, lambda lock: lock.acquire(timeout=WITHIN)
    ),
    **{
        f"{kind.__name__}.{name}": Case(lambda kind=kind: kind(2), act, permits_are(2), prepare)
        for kind in (Semaphore, BoundedSemaphore)
        for name, act, prepare in (
            ("acquire", take, nothing),
            ("release", lambda semaphore: semaphore.release(), take),
            ("with", with_, nothing),
            ("get_value", lambda semaphore: semaphore.get_value(), nothing),
        )
    },
    "Semaphore.acquire(timeout)": Case(
        lambda: Semaphore(0), lambda semaphore: semaphore.acquire(True, A_MOMENT), permits_are(0)
    ),
    "Event.set": Case(Event, lambda event: event.set(), event_is_well),
    "Event.clear": Case(
        Event, lambda event: event.clear(), event_is_well, lambda event: event.set()
    ),
    "Event.wait": Case(Event, lambda event: event.wait(A_MOMENT), event_is_well),
    "Event.is_set": Case(Event, lambda event: event.is_set(), event_is_well),
    **{
        f"Condition({kind.__name__}).{act.__name__}": Case(
            lambda kind=kind: Condition(kind()), act, condition_is_well
        )
        for kind in (Lock, RLock)
        for act in (with_, wait_in_vain, notify, notify_all)
    },
    "Condition.wait_for": Case(
        Condition,
        lambda condition: condition.wait_for(lambda: False, A_MOMENT),
        condition_is_well,
        take,
    ),
    "Barrier.wait": Case(lambda: Barrier(2), come_in_vain, barrier_is_well),
    "Barrier.wait, alone": Case(lambda: Barrier(1), lambda b: b.wait(), lambda b: b.reset()),
    "Barrier.wait with an action": Case(
        lambda: Barrier(1, int), lambda b: b.wait(), lambda b: (b.reset(), b.wait(WITHIN))
    ),
    "Barrier.abort": Case(lambda: Barrier(2), lambda b: b.abort(), barrier_is_well),
    "Barrier.reset": Case(
        lambda: Barrier(2), lambda b: b.reset(), barrier_is_well, lambda b: b.abort()
    ),
    "Value.value": Case(lambda: Value("q", 1), lambda v: v.value, value_is_one_of(1)),
    "Value.value =": Case(
        lambda: Value("q", 1), lambda v: setattr(v, "value", 5), value_is_one_of(1, 5)
    ),
    "Value.value +=": Case(
        lambda: Value("q", 1),
        lambda v: setattr(v, "value", v.value + 4),
        value_is_one_of(1, 5),
        lambda v: v.acquire(),
    ),
    "Value.add": Case(lambda: Value("q", 1), lambda v: v.add(4), value_is_one_of(1, 5)),
    "Value.add, with a Lock": Case(
        lambda: Value("q", 1, lock=Lock()), lambda v: v.add(4), value_is_one_of(1, 5)
    ),
    "Value.compare_and_set": Case(
        lambda: Value("q", 1), lambda v: v.compare_and_set(1, 5), value_is_one_of(1, 5)
    ),
    "Value.compare_and_set in vain": Case(
        lambda: Value("q", 1), lambda v: v.compare_and_set(2, 5), value_is_one_of(1)
    ),
    "Value of a wide character": Case(
        lambda: Value("u", "a"), lambda v: setattr(v, "value", "b"), value_is_one_of("a", "b")
    ),
    "Array[i]": Case(lambda: Array("i", [1, 2]), lambda a: a[0], value_is_one_of((1, 2))),
    "Array[i] =": Case(
        lambda: Array("i", [1, 2]),
        lambda a: a.__setitem__(0, 5),
        value_is_one_of((1, 2), (5, 2)),
    ),
    "Array[i:j] =": Case(
        lambda: Array("i", [1, 2]),
        lambda a: a.__setitem__(slice(0, 2), [5, 6]),
        value_is_one_of((1, 2), (5, 6)),
    ),
    "a string's raw": Case(
        lambda: Array("c", b"ab"), lambda a: setattr(a, "raw", b"xy"), value_is_one_of(b"ab", b"xy")
    ),
    "a structure's field": Case(
        lambda: Value(Point, 1, 2), lambda p: setattr(p, "x", 5), fields_are_numbers
    ),
}


# Only looks, so there is nothing that a kill could leave behind.
WITHOUT_POINTS = {
    name for name in CASES if name.endswith((".locked", ".holder", ".get_value", ".is_set"))
}
