"""What interrupts waits and operations: signal handlers that use the same object, and forks.

Idea: a handler of Python runs between two steps of the thread it interrupts, in the same thread; so
nothing may be held by a wait that the handler could need. A fork copies one thread of many, with
the memory of all in whatever state it is; so nothing that counts may lie in that memory.
"""

import ctypes
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from tests.support.kill import Child
from tests.support.threads import TIMEOUT, Background

A_WHILE = 0.05  # seconds until the signal comes; the claims hold whenever it does


@contextmanager
def on_alarm(handler: Callable[[], object], every: float = 0) -> Iterator[None]:
    """Have *handler* called after a while, in the main thread; then *every* so many seconds."""
    before = signal.signal(signal.SIGALRM, lambda *_: handler())
    try:
        signal.setitimer(signal.ITIMER_REAL, A_WHILE, every)
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ------------------------------------------------------------------------------------------ signals


@pytest.mark.parametrize("kind", [Lock, Semaphore, BoundedSemaphore])
def test_a_release_in_a_handler_ends_the_acquire_it_interrupted(kind: Any) -> None:
    """Wherever the interruption comes: the next acquire gets the permit."""
    lock = kind()
    lock.acquire()

    with on_alarm(lock.release):
        assert lock.acquire(timeout=TIMEOUT)


def test_an_rlock_may_be_taken_by_a_handler_that_interrupted_its_owner() -> None:
    """It is the same thread."""
    lock, taken = RLock(), []

    def handler() -> None:
        with lock:
            taken.append(lock._count())

    with lock, on_alarm(handler):
        signal.pause()

    assert taken == [2]
    assert not lock.locked()


@pytest.mark.parametrize("make_lock", [Lock, RLock])
def test_a_notify_in_a_handler_ends_the_wait_it_interrupted(make_lock: Any) -> None:
    """The lock is free while the wait lasts, for the handler as well."""
    condition = Condition(make_lock())

    def handler() -> None:
        with condition:
            condition.notify()

    with condition, on_alarm(handler):
        assert condition.wait(TIMEOUT)


def test_a_wait_in_a_handler_does_not_disturb_the_wait_it_interrupted() -> None:
    """Two waits of one thread on one condition: each has its own notification."""
    condition, inner = Condition(), []

    def handler() -> None:
        with condition:
            inner.append(condition.wait(A_WHILE))
            condition.notify()

    with condition, on_alarm(handler):
        assert condition.wait(TIMEOUT)

    assert inner == [False]


def test_set_and_clear_in_a_handler_end_the_wait_they_interrupted() -> None:
    """The event came, though it has gone."""
    event = Event()

    def handler() -> None:
        event.set()
        event.clear()

    with on_alarm(handler):
        assert event.wait(TIMEOUT)


def test_an_abort_in_a_handler_ends_the_wait_it_interrupted() -> None:
    """The other party learns that the barrier is broken."""
    barrier = Barrier(2)

    with on_alarm(barrier.abort), pytest.raises(threading.BrokenBarrierError):
        barrier.wait()


def test_the_last_party_may_come_in_a_handler() -> None:
    """Both pass, the one that was interrupted and the one that interrupted it."""
    barrier, inner = Barrier(2), []

    with on_alarm(lambda: inner.append(barrier.wait(TIMEOUT))):
        assert barrier.wait(TIMEOUT) == 0

    assert inner == [1]


def test_a_value_may_be_changed_by_handlers_at_any_time() -> None:
    """An operation is one step for them, too."""
    value, array, handled = Value("q"), Array("q", 1), []

    def handler() -> None:
        handled.append(value.add(1))
        array[0] = -array[0]

    with on_alarm(handler, every=0.0005):
        while len(handled) < 100:
            for _ in range(100):
                value.add(1)

    assert value.value % 100 == len(handled) % 100


@pytest.mark.parametrize("method", ["acquire", "wait"])
def test_signals_that_go_on_for_ever_do_not_prolong_a_timeout(method: str) -> None:
    """A wait that is restarted has the time that is left."""
    lock, event, handled = Lock(), Event(), []
    lock.acquire()

    with on_alarm(lambda: handled.append(1), every=0.005):
        if method == "acquire":
            assert not lock.acquire(timeout=4 * A_WHILE)
        else:
            assert not event.wait(4 * A_WHILE)

    assert handled


# -------------------------------------------------------------------------------------------- forks


class Point(ctypes.Structure):
    """What a program may define."""

    _fields_ = (("x", ctypes.c_int), ("y", ctypes.c_int))


def make_uses() -> dict[str, Callable[[], object]]:
    """Return a use of a fresh object of each type, whole in itself, by the type's name."""
    condition, over_lock, event, barrier = Condition(), Condition(Lock()), Event(), Barrier(1)
    value, array, point = Value("q"), Array("q", 8), Value(Point)

    def with_(lock: Any) -> Callable[[], object]:
        def use() -> None:
            with lock:
                pass

        return use

    def nested(lock: Any) -> None:
        with lock, lock:
            pass

    def wait_in_vain(condition: Any) -> None:
        with condition:
            condition.notify()
            condition.wait(0.0001)

    return {
        "Lock": with_(Lock()),
        "RLock": lambda lock=RLock(): nested(lock),  # type: ignore[misc] # noqa: B008
        "Semaphore": with_(Semaphore(1)),
        "BoundedSemaphore": with_(BoundedSemaphore(1)),
        "Condition": lambda: wait_in_vain(condition),
        "Condition(Lock)": lambda: wait_in_vain(over_lock),
        "Event": lambda: (event.set(), event.wait(TIMEOUT), event.clear(), event.wait(0.0001)),
        "Barrier": barrier.wait,
        "Value": lambda: value.add(1),
        "Array": lambda: array.__setitem__(slice(2, 5), [1, 2, 3]),
        "a structure": lambda: setattr(point, "x", point.y),
    }


@pytest.mark.parametrize("name", list(make_uses()))
def test_a_fork_while_threads_use_it_is_safe(name: str) -> None:
    """The child has one thread, whatever the others did; no process dies, so nothing breaks."""
    use, end = make_uses()[name], threading.Event()

    def use_on() -> None:
        while not end.is_set():
            use()

    threads = [Background(use_on) for _ in range(2)]
    try:
        for _ in range(25):
            assert Child(lambda: [use() for _ in range(5)]).wait() == 0
    finally:
        end.set()
    for thread in threads:
        assert thread.result() is None


def test_a_lock_that_another_thread_held_at_the_fork_comes_free_in_the_child() -> None:
    """It is the parent that has it, and gives it back."""
    locks = [Lock(), RLock(), Condition(), Semaphore(1)]
    held, let_go = threading.Event(), threading.Event()

    def hold() -> None:
        for lock in locks:
            lock.acquire()
        held.set()
        let_go.wait()
        for lock in locks:
            lock.release()

    holder = Background(hold)
    held.wait()

    def wait_for_all() -> None:
        assert not any(lock.acquire(timeout=0) for lock in locks)
        os.write(ready, b".")
        assert all(lock.acquire(timeout=TIMEOUT) for lock in locks)
        for lock in locks:
            lock.release()

    read, ready = os.pipe()
    child = Child(wait_for_all)
    os.read(read, 1)
    let_go.set()

    assert child.wait() == 0
    assert holder.result() is None
    os.close(read)
    os.close(ready)
    _core.reclaim_dead()
