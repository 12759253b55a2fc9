"""Locks and semaphores: what they promise, and their errors."""

import os
import signal
import time
from typing import Any

import pytest

import procession
from procession import BrokenLockError
from procession.sharedctypes import Value
from procession.synchronize import (
    SEM_VALUE_MAX,
    BoundedSemaphore,
    Condition,
    Lock,
    RLock,
    Semaphore,
)
from tests.support.threads import in_thread

A_WHILE = 0.05  # seconds; a least duration

LOCKS = pytest.mark.parametrize("kind", [Lock, RLock])

# ------------------------------------------------------------------------------------------- locks


@LOCKS
def test_a_lock_is_had_by_one_at_a_time(kind: Any) -> None:
    """What is taken is not taken by another thread."""
    lock = kind()

    assert lock.acquire()

    assert lock.locked()
    assert in_thread(lock.acquire, False) is False
    lock.release()
    assert not lock.locked()
    assert in_thread(lambda: lock.acquire() and lock.release()) is None


@LOCKS
@pytest.mark.parametrize("timeout", [0, -1, -0.5])
def test_a_timeout_that_is_not_positive_does_not_wait(kind: Any, timeout: float) -> None:
    """As documented: a negative timeout counts as zero."""
    lock = kind()
    lock.acquire()

    assert in_thread(lock.acquire, True, timeout) is False


@LOCKS
def test_a_timeout_is_waited_for(kind: Any) -> None:
    """A least duration."""
    lock = kind()
    lock.acquire()
    begun = time.monotonic()

    assert in_thread(lambda: lock.acquire(timeout=A_WHILE)) is False

    assert time.monotonic() - begun >= A_WHILE


def test_any_thread_may_release_a_lock() -> None:
    """As documented; and one that is free cannot be released."""
    lock = Lock()
    lock.acquire()

    assert in_thread(lock.release) is None

    with pytest.raises(ValueError, match="released too many times"):
        lock.release()


@pytest.mark.parametrize("through", ["Lock", "Condition", "Value"])
def test_any_process_may_release_a_lock_that_another_took(ctx: Any, through: str) -> None:
    """Also when the one that took it has ended, in order."""
    lock = Lock()
    things = {"Lock": lock, "Condition": Condition(lock), "Value": Value("i", lock=lock)}
    process = ctx.Process(target=things[through].acquire)
    process.start()
    process.join()
    assert process.exitcode == 0
    process.close()

    assert lock.locked()
    with pytest.raises(BrokenLockError):  # no process waits for a dead one
        lock.acquire()
    things[through].release()

    assert lock.acquire(block=False)
    lock.release()
    with pytest.raises(ValueError, match="released too many times"):
        lock.release()


def test_only_its_owner_may_release_an_rlock() -> None:
    """As documented."""
    lock = RLock()
    lock.acquire()
    lock.acquire()

    assert isinstance(in_thread(lock.release), AssertionError)

    lock.release()
    assert in_thread(lock.acquire, False) is False
    lock.release()
    with pytest.raises(AssertionError):
        lock.release()


@LOCKS
@pytest.mark.parametrize("bad", [{"timeout": "1"}, {"timeout": float("nan")}, {"what": 1}])
def test_wrong_arguments_are_refused(kind: Any, bad: dict[str, Any]) -> None:
    """Whether it would have to wait or not."""
    with pytest.raises((TypeError, ValueError)):
        kind().acquire(**bad)


@LOCKS
def test_the_error_of_the_body_is_not_hidden_by_that_of_the_release(kind: Any) -> None:
    """The lock was lost on the way, but that is not what went wrong."""
    lock = kind()

    def lose_it_and_fail() -> None:
        with lock:
            lock.release()
            raise LookupError

    with pytest.raises(LookupError):
        lose_it_and_fail()


def test_how_locks_show_themselves() -> None:
    """In the words of the standard package."""
    lock, rlock = Lock(), RLock()

    assert (repr(lock), repr(rlock)) == ("<Lock(owner=None)>", "<RLock(None, 0)>")
    with lock, rlock, rlock:
        assert repr(lock) == "<Lock(owner=MainProcess)>"
        assert repr(rlock) == "<RLock(MainProcess, 2)>"
        assert in_thread(repr, rlock) == "<RLock(SomeOtherThread, nonzero)>"


def take_turns(lock: Any, numbers: Any, end: Any) -> None:
    """Count up under the lock until told to stop."""
    index = 0 if lock.acquire(block=False) else 1
    if index == 0:
        lock.release()
    mine = 0
    while not end.is_set():
        with lock:
            mine += 1
    numbers.put(mine)


def race(lock: Any) -> list[int]:
    """Return how often each of two processes had *lock*, the less lucky one first."""
    ctx = procession.get_context("fork")
    end, numbers = ctx.Event(), ctx.SimpleQueue()
    processes = [ctx.Process(target=take_turns, args=(lock, numbers, end)) for _ in range(2)]
    for process in processes:
        process.start()

    time.sleep(0.5)  # not a wait: the length of the race
    end.set()

    counts = sorted(numbers.get() for _ in processes)
    for process in processes:
        process.join()
        process.close()
    return counts


@LOCKS
def test_of_two_busy_processes_neither_starves(kind: Any, record_property: Any) -> None:
    """The less lucky has at least a fifth; see the lock's rule of fairness.

    On a busy machine one of the two may not run at all for a while; not in each race.
    """
    races = []
    for _ in range(5):
        races.append(race(kind()))
        if races[-1][0] >= sum(races[-1]) / 5:
            break

    record_property("races", races)
    assert races[-1][0] >= sum(races[-1]) / 5, races


# -------------------------------------------------------------------------------------- semaphores


def test_a_semaphore_counts() -> None:
    """Down to none, and up."""
    semaphore = Semaphore(2)

    assert semaphore.acquire()
    assert semaphore.acquire(timeout=1)
    assert not semaphore.acquire(block=False)
    assert not semaphore.acquire(timeout=A_WHILE)

    semaphore.release()
    semaphore.release()
    semaphore.release()
    assert semaphore.get_value() == 3


def test_a_bounded_semaphore_has_a_bound() -> None:
    """As documented."""
    semaphore = BoundedSemaphore(1)

    with pytest.raises(ValueError, match="too many times"):
        semaphore.release()
    assert repr(semaphore) == "<BoundedSemaphore(value=1, maxvalue=1)>"


@pytest.mark.parametrize("value", [-1, SEM_VALUE_MAX + 1])
def test_a_semaphore_has_a_range(value: int) -> None:
    """As in the standard package."""
    with pytest.raises(ValueError, match="invalid value"):
        Semaphore(value)


def take_some(semaphore: Any, count: int, how_to_end: str) -> None:
    """Take *count* permits and end."""
    for _ in range(count):
        semaphore.acquire()
    if how_to_end == "kill":
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize(("how_to_end", "left"), [("kill", 3), ("return", 1)])
def test_permits_come_back_from_the_dead_only(ctx: Any, how_to_end: str, left: int) -> None:
    """A process that exits keeps what it acquired, as in the standard package."""
    semaphore = ctx.Semaphore(3)

    process = ctx.Process(target=take_some, args=(semaphore, 2, how_to_end))
    process.start()
    process.join()

    assert semaphore.get_value() == left
    process.close()
