"""Every operation of every synchronization and value type, killed at every point that it passes.

Idea: no list of points: an operation is run again and again, and killed at the first point that it
passes, at the second, until it comes to its end. So a new operation's points, and a new point's
operations, are tested without a line here. After each kill the survivors use the object: within a
second they have what they want, or the error that says what happened, and after a reset() the
object is as new.
"""

import pickle
import threading
from typing import Any

import pytest

from procession import BrokenLockError
from procession.sharedctypes import Array, Value
from procession.synchronize import Barrier, Condition, Event, Lock, RLock, Semaphore
from tests.crash.kills import kill_at_every_passage
from tests.crash.operations import A_MOMENT, CASES, WITHOUT_POINTS, Case
from tests.crash.waiters import Work, killed_beside_a_waiter, nothing, or_broken
from tests.support.kill import WITHIN, Child, armed, arrived, child, killed_at

pytestmark = pytest.mark.usefixtures("sound")

ANY = "*"  # any point
MOST = 60  # passages of one operation
RECLAIM = pytest.mark.parametrize("reclaim", [True, False], ids=["reclaimed", "left"])
ERRORS = (BrokenLockError, threading.BrokenBarrierError)


# ------------------------------------------------------------------------------- who comes later


def kill_and_look(case: Case, passage: int, *, reclaim: bool) -> bool:
    """Whether the operation was killed; then a survivor has used the object."""
    thing = case.make()

    def dying() -> None:
        case.prepare(thing)
        armed(ANY, lambda: case.act(thing), passage)()

    if not arrived(Child(dying, reclaim=reclaim), ANY):
        return False
    with child(lambda: case.check(thing)) as survivor:
        # Some checks are several waits, each of which may find the dead.
        assert survivor.wait(3 * WITHIN, f"a look after passage {passage}") == 0
    return True


@pytest.mark.parametrize("name", list(CASES))
@RECLAIM
def test_an_operation_may_be_killed_anywhere(name: str, reclaim: bool) -> None:
    """Who comes after the dead goes on, or learns of it, within a second."""
    kills = 0

    while kill_and_look(CASES[name], kills + 1, reclaim=reclaim):
        kills += 1
        assert kills < MOST, "the operation has no end"

    assert (kills > 0) is (name not in WITHOUT_POINTS)


MAKES = {
    "Lock": Lock,
    "RLock": RLock,
    "Semaphore": lambda: Semaphore(2),
    "Event": Event,
    "Condition": Condition,
    "Barrier": lambda: Barrier(3),
    "Value": lambda: Value("i", 1),
    "Array": lambda: Array("i", [1, 2]),
}


@pytest.mark.parametrize("kind", list(MAKES))
def test_who_makes_one_sends_it_and_drops_it_may_be_killed_anywhere(kind: str) -> None:
    """What was made by the dead, and what was under way to them, is taken back."""

    def use() -> None:
        thing = MAKES[kind]()
        pickle.loads(pickle.dumps(thing))

    kill_at_every_passage(lambda passage: killed_at(ANY, use, passage), most=200)


# --------------------------------------------------------------------------------- who waits beside


def take_once(lock: Any) -> Work:
    """For a waiter: have it, or learn that its holder died."""

    def run() -> bool:
        took: bool = lock.acquire()
        lock.release()
        return took

    return run


def be_notified(condition: Any) -> Work:
    """For a waiter."""

    def run() -> bool:
        with condition:
            notified: bool = condition.wait()
            return notified

    return run


def taking(lock: Any, *works: Work) -> Work:
    """With *lock*, all of *works*."""

    def run() -> None:
        with lock:
            for work in works:
                work()

    return run


def beside_lock(kind: Any) -> tuple[Work, Work, Work]:
    """What the process that is killed prepares and does, and what the waiter does: of a lock."""
    lock = kind()
    return lock.acquire, lock.release, take_once(lock)


def beside_nested() -> tuple[Work, Work, Work]:
    """Of an RLock that was taken twice."""
    lock = RLock()
    return (
        lambda: (lock.acquire(), lock.acquire()),
        lambda: (lock.release(), lock.release()),
        take_once(lock),
    )


def beside_wait(make_lock: Any) -> tuple[Work, Work, Work]:
    """Of a condition whose lock is given back by a wait, and taken again after it."""
    condition = Condition(make_lock())
    return condition.acquire, lambda: condition.wait(A_MOMENT), take_once(condition._lock)


def beside_notify(make_lock: Any, method: str) -> tuple[Work, Work, Work]:
    """Of a condition; the killed process notifies."""
    condition = Condition(make_lock())
    return nothing, taking(condition, getattr(condition, method)), be_notified(condition)


def beside_barrier(method: str, *args: Any) -> tuple[Work, Work, Work]:
    """Of a barrier of two, where the waiter has come."""
    barrier = Barrier(2, *args)
    return nothing, getattr(barrier, method), lambda: barrier.wait() >= 0


def beside_barrier_of_three() -> tuple[Work, Work, Work]:
    """Of a barrier to which one more would have to come; the time of the killed process is up."""
    barrier = Barrier(3)
    return (
        nothing,
        or_broken(lambda: barrier.wait(A_MOMENT), *ERRORS),
        lambda: barrier.wait() >= 0,
    )


def beside_event(*methods: str) -> tuple[Work, Work, Work]:
    """Of an event that is set, or set and cleared."""
    event = Event()
    return nothing, lambda: [getattr(event, method)() for method in methods], event.wait


def beside_semaphore() -> tuple[Work, Work, Work]:
    """Of a semaphore of one permit."""
    semaphore = Semaphore(1)
    return semaphore.acquire, semaphore.release, take_once(semaphore)


def beside_value(make: Any, change: Any) -> tuple[Work, Work, Work]:
    """Of a value that the killed process changes while it holds its lock."""
    value = make()
    return (
        value.acquire,
        lambda: (change(value), value.release()),
        lambda: (value.get_lock().acquire(), value.get_lock().release()),
    )


BESIDE = {
    "Lock.release": lambda: beside_lock(Lock),
    "RLock.release": lambda: beside_lock(RLock),
    "RLock.release, nested": beside_nested,
    "Semaphore.release": beside_semaphore,
    "Event.set": lambda: beside_event("set"),
    "Event.set, clear": lambda: beside_event("set", "clear"),
    "Condition(Lock).wait": lambda: beside_wait(Lock),
    "Condition(RLock).wait": lambda: beside_wait(RLock),
    "Condition(Lock).notify": lambda: beside_notify(Lock, "notify"),
    "Condition(RLock).notify": lambda: beside_notify(RLock, "notify"),
    "Condition.notify_all": lambda: beside_notify(RLock, "notify_all"),
    "Barrier.wait": lambda: beside_barrier("wait"),
    "Barrier.wait with an action": lambda: beside_barrier("wait", int),
    "Barrier.wait in vain": beside_barrier_of_three,
    "Barrier.abort": lambda: beside_barrier("abort"),
    "Barrier.reset": lambda: beside_barrier("reset"),
    "Value.add": lambda: beside_value(lambda: Value("q"), lambda v: v.add(1)),
    "Value.compare_and_set": lambda: beside_value(
        lambda: Value("q"), lambda v: v.compare_and_set(0, 1)
    ),
    "Value.value, with a Lock": lambda: beside_value(
        lambda: Value("q", lock=Lock()), lambda v: setattr(v.get_obj(), "value", 1)
    ),
    "Array[i:j] =": lambda: beside_value(
        lambda: Array("q", 2), lambda a: a.__setitem__(slice(0, 2), [1, 2])
    ),
}


@pytest.mark.parametrize("name", list(BESIDE))
@RECLAIM
def test_nobody_waits_beside_an_operation_that_is_killed(name: str, reclaim: bool) -> None:
    """Wherever the process is killed, the one that waited has it within a second, or the error."""
    kills = 0

    def kill_next() -> bool:
        prepare, act, wait = BESIDE[name]()
        return killed_beside_a_waiter(
            ANY, prepare, act, or_broken(wait, *ERRORS), kills + 1, reclaim=reclaim
        )

    while kill_next():
        kills += 1
        assert kills < MOST, "the operation has no end"

    assert kills > 0


# ----------------------------------------------------------------------- what exactly has happened


@pytest.mark.parametrize("point", ["value.before_commit", "value.committed"])
@pytest.mark.parametrize("change", [lambda v: v.add(4), lambda v: v.compare_and_set(1, 5)])
def test_a_value_is_changed_as_soon_as_it_is_written(point: str, change: Any) -> None:
    """The one store decides; the lock tells of the death in either case."""
    value = Value("q", 1)

    assert killed_at(point, lambda: change(value))

    with pytest.raises(BrokenLockError):
        value.add(1)
    assert value.get_lock().reset()
    assert value.value == (5 if point == "value.committed" else 1)


@pytest.mark.parametrize("point", ["value.locked"])
def test_who_dies_within_an_access_by_ctypes_leaves_the_lock_broken(point: str) -> None:
    """A slice may be half written, so the next user is told."""
    array = Array("i", 4)

    assert killed_at(point, lambda: array.__setitem__(slice(0, 4), [1, 2, 3, 4]))

    with pytest.raises(BrokenLockError):
        array[:]
    assert array.get_lock().reset()
    assert array[:] == [0, 0, 0, 0]


@pytest.mark.parametrize("point", ["event.clear.before_commit", "event.clear.committed"])
def test_an_event_is_cleared_or_is_not(point: str) -> None:
    """One store."""
    event = Event()
    event.set()

    assert killed_at(point, event.clear)

    assert event.is_set() is (point == "event.clear.before_commit")


@pytest.mark.parametrize(("point", "passage"), [("rlock.acquired", 2), ("rlock.released", 1)])
def test_an_rlock_is_broken_as_long_as_its_dead_owner_had_it_once(point: str, passage: int) -> None:
    """Whatever the depth."""
    lock = RLock()

    def use() -> None:
        lock.acquire()
        lock.acquire()
        lock.release()

    assert killed_at(point, use, passage)

    with pytest.raises(BrokenLockError):
        lock.acquire()
    assert lock.reset()
    with lock, lock:
        assert lock._count() == 2


def test_an_rlock_that_its_owner_gave_back_altogether_is_free() -> None:
    """The kill comes after the last release."""
    lock = RLock()

    assert killed_at("rlock.released", lambda: (lock.acquire(), lock.release()))

    assert lock.acquire(block=False)


@pytest.mark.parametrize("point", ["lock.reset.before_commit", "lock.reset.committed"])
def test_a_lock_is_reset_or_is_not(point: str) -> None:
    """One store."""
    lock = Lock()
    assert killed_at("lock.taken", lock.acquire)
    with pytest.raises(BrokenLockError):
        lock.acquire()

    assert killed_at(point, lock.reset)

    assert lock.reset() is (point == "lock.reset.before_commit")
    assert lock.acquire(block=False)


@pytest.mark.parametrize("point", ["condition.wait.before_release", "condition.wait.left"])
@pytest.mark.parametrize("make_lock", [Lock, RLock])
def test_a_waiter_that_dies_with_the_lock_breaks_it(point: str, make_lock: Any) -> None:
    """Before it gave it back for the wait, or after it has taken it again."""
    condition = Condition(make_lock())

    def wait() -> None:
        with condition:
            condition.wait(A_MOMENT)

    assert killed_at(point, wait)

    with pytest.raises(BrokenLockError):
        condition.acquire()
    assert condition._lock.reset()
    with condition:
        assert not condition.wait(A_MOMENT)
    assert condition._waiting() == 0
