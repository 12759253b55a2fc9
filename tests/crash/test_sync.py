"""Locks, semaphores, conditions, events and barriers whose users are killed at every point.

Idea: a *victim* is killed at a point of one operation while a *waiter* waits for what that
operation would give. Within a second the waiter has it, or has an error that says what happened;
and the object is of use to all others.
"""

import os
import signal
import threading
from collections.abc import Callable
from typing import Any

import pytest

from procession import BrokenLockError, _core
from procession.synchronize import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    Lock,
    RLock,
    Semaphore,
)
from tests.crash.kills import killed_after_another
from tests.support.kill import (
    WITHIN,
    Child,
    Signal,
    Tally,
    armed,
    arrived,
    child,
    is_asleep,
    killed_at,
)
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("sound")

Work = Callable[[], object]

BURY = pytest.mark.parametrize("bury", [True, False], ids=["buried", "unburied"])
LOCKS = pytest.mark.parametrize("kind", [Lock, RLock])


def nothing() -> None:
    """Prepare nothing."""


def usable(lock: Any) -> bool:
    """Whether *lock* can be taken within a second, after a reset if need be."""
    try:
        got = lock.acquire(timeout=WITHIN)
    except BrokenLockError:
        assert lock.reset()
        got = lock.acquire(timeout=WITHIN)
    if got:
        lock.release()
    return bool(got)


def asleep_in(ready: Tally, work: Work) -> Work:
    """*work*, for a child that says when it is about to wait."""

    def run() -> None:
        ready.add()
        work()

    return run


def wait_for_sleep(process: Child, ready: Tally) -> None:
    """Until a child that runs `asleep_in` sleeps."""
    wait_until(ready.count)
    wait_until(lambda: is_asleep(process.pid))


def kill_with_a_waiter(
    point: str, prepare: Work, act: Work, wait: Work, *, bury: bool = True
) -> None:
    """Have a victim prepare, a waiter sleep, and the victim killed at *point* of what it does then.

    Raises:
        AssertionError: the waiter still waits a second after the victim's death, or fails.
    """
    with Signal() as go, Tally() as ready:

        def victim() -> None:
            prepare()
            ready.add()
            go.wait()
            armed(point, act)()

        first = Child(victim, bury=bury)
        wait_until(ready.count)

        def wait_alone() -> None:
            os.close(go._write)  # or the victim would wait for this process's end, too
            asleep_in(ready, wait)()

        with child(wait_alone) as waiter:
            wait_for_sleep(waiter, ready)
            go.give()
            assert arrived(first, point), "the point is not on the way"
            assert waiter.wait(WITHIN, "the victim's death") == 0


def or_broken(work: Work, *errors: type[Exception]) -> Work:
    """*work*, which may also raise one of *errors*."""

    def run() -> None:
        try:
            assert work() is not False
        except errors:
            pass  # the clear error is the other right answer

    return run


# ------------------------------------------------------------------------------------------- locks


@pytest.mark.parametrize(
    ("kind", "point"),
    [
        (Lock, "lock.taken"),
        (Lock, "lock.release.before_wake"),
        (RLock, "lock.taken"),
        (RLock, "rlock.taken"),
        (RLock, "lock.release.before_wake"),
    ],
)
@BURY
def test_a_lock_comes_back_whose_user_is_killed(kind: Any, point: str, bury: bool) -> None:
    """Taken or not, the next user has it or its error at once."""
    lock = kind()

    def use() -> None:
        with lock:
            pass

    assert killed_at(point, use, bury=bury)

    assert usable(lock)
    assert not lock.locked()


@pytest.mark.parametrize("point", ["lock.before_sleep", "lock.woken", "lock.taken_after_wait"])
@LOCKS
def test_a_lock_outlives_a_waiter_killed_anywhere(kind: Any, point: str) -> None:
    """A wake-up that went to the dead is made up for."""
    lock = kind()
    lock.acquire()

    with Tally() as ready, child(asleep_in(ready, armed(point, lock.acquire))) as victim:
        if point != "lock.before_sleep":
            wait_for_sleep(victim, ready)
            with child(asleep_in(ready, or_broken(lock.acquire, BrokenLockError))) as other:
                wait_for_sleep(other, ready)
                lock.release()
                arrived(victim, point)
                assert other.wait(WITHIN, "the victim's death") == 0
        else:
            assert arrived(victim, point)
            lock.release()

    assert usable(lock)


@pytest.mark.parametrize("point", ["lock.release.before_wake"])
@BURY
@LOCKS
def test_a_waiter_gets_the_lock_that_was_released_without_a_wake_up(
    kind: Any, point: str, bury: bool
) -> None:
    """The word says that it is free; the wake-up was never sent."""
    lock = kind()

    kill_with_a_waiter(
        point,
        prepare=lock.acquire,
        act=lock.release,
        wait=lambda: lock.acquire() and lock.release(),
        bury=bury,
    )

    assert usable(lock)


@pytest.mark.parametrize("point", ["lock.before_break"])
def test_who_finds_a_holder_dead_may_be_killed_as_well(point: str) -> None:
    """The lock is broken by the next one."""
    lock = Lock()

    def hold_and_die() -> None:
        lock.acquire()
        os.kill(os.getpid(), signal.SIGKILL)

    find = armed(point, or_broken(lock.acquire, BrokenLockError))
    assert killed_after_another(find, hold_and_die)

    with pytest.raises(BrokenLockError):
        lock.acquire(timeout=WITHIN)
    assert lock.reset()
    assert usable(lock)


@pytest.mark.parametrize("point", ["lock.taken"])
@BURY
def test_a_lock_that_is_passed_on_is_never_broken(point: str, bury: bool) -> None:
    """With on_owner_death="release" the next user simply has it."""
    lock = Lock(on_owner_death="release")

    assert killed_at(point, lock.acquire, bury=bury)

    assert lock.acquire(timeout=WITHIN)
    lock.release()


# -------------------------------------------------------------------------------------- semaphores

COMMITS = ("semaphore.before_commit", "semaphore.committed")


@pytest.mark.parametrize("point", COMMITS)
@pytest.mark.parametrize("kind", [Semaphore, BoundedSemaphore])
@BURY
def test_a_permit_comes_back_whose_taker_is_killed(kind: Any, point: str, bury: bool) -> None:
    """As many permits as there were, neither less nor more."""
    semaphore = kind(2)

    assert killed_at(point, semaphore.acquire, bury=bury)

    assert semaphore.acquire(timeout=WITHIN)
    assert semaphore.acquire(timeout=WITHIN)
    assert not semaphore.acquire(block=False)


@pytest.mark.parametrize("point", [*COMMITS, "semaphore.release.before_wake"])
@BURY
def test_a_permit_is_released_once_or_given_back_once(point: str, bury: bool) -> None:
    """Killed in release(): the waiter has the permit, and there is no second one."""
    semaphore = Semaphore(1)

    kill_with_a_waiter(
        point,
        prepare=semaphore.acquire,
        act=semaphore.release,
        wait=lambda: semaphore.acquire() and semaphore.release(),
        bury=bury,
    )

    assert semaphore.get_value() == 1


@pytest.mark.parametrize("point", COMMITS)
def test_a_signal_is_whole_or_absent(point: str) -> None:
    """A semaphore without permits of its own: what was released stays, and nothing comes back."""
    semaphore = Semaphore(0)
    semaphore.release()

    assert killed_at(point, semaphore.acquire)

    assert semaphore.get_value() == (1 if point == "semaphore.before_commit" else 0)


def test_permits_that_came_from_others_do_not_come_back() -> None:
    """A bounded buffer: who took is not who releases, so nobody owns what is out."""
    slots = BoundedSemaphore(3)
    producer = Child(lambda: [slots.acquire() for _ in range(2)], bury=False)
    wait_until(lambda: slots.get_value() == 1)
    slots.release()

    producer.wait()
    _core.bury(producer.pid)

    assert slots.get_value() == 2


# ------------------------------------------------------------------------------------------ events


@pytest.mark.parametrize("point", ["event.set.before_wake", "gate.before_wake"])
@BURY
def test_an_event_is_seen_that_was_set_by_a_killed_process(point: str, bury: bool) -> None:
    """The wake-up was never sent."""
    event = Event()

    kill_with_a_waiter(point, nothing, event.set, event.wait, bury=bury)

    assert event.is_set()


@pytest.mark.parametrize("point", ["gate.ticket_taken", "gate.woken"])
def test_an_event_outlives_a_waiter_killed_anywhere(point: str) -> None:
    """Another waiter is woken all the same."""
    event = Event()

    with Tally() as ready, child(asleep_in(ready, armed(point, event.wait))) as victim:
        if point == "gate.ticket_taken":
            assert arrived(victim, point)
        else:
            wait_for_sleep(victim, ready)
        with child(asleep_in(ready, event.wait)) as other:
            wait_for_sleep(other, ready)
            event.set()
            assert other.wait(WITHIN, "set()") == 0


# -------------------------------------------------------------------------------------- conditions


def wait_on(condition: Any) -> Work:
    """One wait(), with the lock."""

    def run() -> bool:
        with condition:
            return bool(condition.wait())

    return run


def notify_on(condition: Any) -> Work:
    """One notify(), with the lock."""

    def run() -> None:
        with condition:
            condition.notify()

    return run


@pytest.mark.parametrize("point", ["condition.notify.locked", "condition.notify.before_wake"])
@pytest.mark.parametrize("lock", [Lock, RLock])
@BURY
def test_a_waiter_does_not_wait_for_a_notifier_that_is_dead(
    lock: Any, point: str, bury: bool
) -> None:
    """It was notified, or learns that the lock's holder died."""
    condition = Condition(lock())

    kill_with_a_waiter(
        point,
        prepare=nothing,
        act=notify_on(condition),
        wait=or_broken(wait_on(condition), BrokenLockError),
        bury=bury,
    )

    assert usable(condition._lock)


@pytest.mark.parametrize(
    "point",
    [
        "condition.enter.before_commit",
        "condition.enter.committed",
        "condition.before_sleep",
    ],
)
@BURY
def test_a_waiter_killed_on_its_way_to_sleep_swallows_no_notification(
    point: str, bury: bool
) -> None:
    """It is the first in the queue, and the notification reaches the second."""
    condition = Condition()
    assert killed_at(point, wait_on(condition), bury=bury)
    if bury:
        _core.reap()
    if point.startswith("condition.enter"):
        assert usable(condition._lock)

    with Tally() as ready, child(asleep_in(ready, wait_on(condition))) as other:
        wait_for_sleep(other, ready)
        notify_on(condition)()

        assert other.wait(WITHIN, "notify()") == 0


@pytest.mark.parametrize("point", ["condition.woken", "condition.leave.before_commit"])
@BURY
def test_a_waiter_killed_as_it_is_notified_swallows_nothing(point: str, bury: bool) -> None:
    """What reached it goes to the one who waits next, or that one learns of the broken lock."""
    condition = Condition()

    def next_wait() -> None:
        or_broken(wait_on(condition), BrokenLockError)()

    with Tally() as ready:
        victim = Child(asleep_in(ready, armed(point, wait_on(condition), 1)), bury=bury)
        wait_until(lambda: condition._waiting() == 1)
        with child(asleep_in(ready, next_wait)) as other:
            wait_until(lambda: condition._waiting() == 2 or victim.exitcode is not None)
            notify_on(condition)()
            assert arrived(victim, point)

            assert other.wait(WITHIN, "notify()") == 0
    assert usable(condition._lock)


@pytest.mark.parametrize("point", ["condition.pass_on.between"])
def test_who_passes_a_notification_on_may_be_killed_as_well(point: str) -> None:
    """The third has it: at worst it is passed on twice."""
    condition = Condition()

    with Tally() as ready:
        first = Child(asleep_in(ready, armed("condition.woken", wait_on(condition))), bury=False)
        wait_until(lambda: condition._waiting() == 1)
        with child(asleep_in(ready, wait_on(condition))) as other:
            wait_until(lambda: condition._waiting() == 2)
            notify_on(condition)()
            assert arrived(first, "condition.woken")
            killed_at(point, _core.reap, bury=False)

            assert other.wait(WITHIN, "notify()") == 0
    assert usable(condition._lock)


# ---------------------------------------------------------------------------------------- barriers

ARRIVALS = ("barrier.before_commit", "barrier.committed")


@pytest.mark.parametrize("point", ARRIVALS)
@pytest.mark.parametrize("parties", [2, 3])
@BURY
def test_a_party_killed_as_it_comes_hangs_nobody(point: str, parties: int, bury: bool) -> None:
    """The others pass, or find the barrier broken."""
    barrier = Barrier(parties)

    kill_with_a_waiter(
        point,
        prepare=nothing,
        act=barrier.wait,
        wait=or_broken(lambda: barrier.wait() >= 0, threading.BrokenBarrierError),
        bury=bury,
    )

    barrier.reset()
    with child(barrier.wait) as one, child(barrier.wait) as two:
        if parties == 3:
            barrier.wait(WITHIN)
        assert (one.wait(WITHIN), two.wait(WITHIN)) == (0, 0)


@BURY
def test_a_party_killed_while_it_waits_breaks_the_barrier(bury: bool) -> None:
    """The others are told who it was."""
    barrier = Barrier(3)

    def be_told() -> None:
        with pytest.raises(threading.BrokenBarrierError, match=str(victim.pid)):
            barrier.wait()

    victim = Child(barrier.wait, bury=bury)
    wait_until(lambda: barrier.n_waiting == 1)
    with Tally() as ready, child(asleep_in(ready, be_told)) as other:
        wait_for_sleep(other, ready)
        victim.kill()
        victim.wait()

        assert other.wait(WITHIN, "the victim's death") == 0
    assert barrier.broken


@BURY
def test_a_party_of_the_last_round_that_is_killed_elsewhere_is_not_waited_for(bury: bool) -> None:
    """It came to the round before; nobody has come in its place."""
    barrier = Barrier(2)

    def come_twice() -> None:
        barrier.wait()
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait()

    with Signal() as never:
        victim = Child(lambda: (barrier.wait(), never.wait()), bury=bury)
        with child(come_twice) as other:
            wait_until(lambda: barrier.n_waiting == 1 and is_asleep(other.pid))
            victim.kill()
            victim.wait()
            assert other.wait(WITHIN, "the victim's death") == 0


def test_a_replacement_of_a_killed_party_is_welcome() -> None:
    """Nobody waits at the time of the death: then another may come in its place."""
    barrier = Barrier(2)
    with Signal() as never:
        victim = Child(lambda: (barrier.wait(), never.wait()))
        barrier.wait(WITHIN)
        victim.kill()
        victim.wait()

    with child(barrier.wait) as replacement:
        wait_until(lambda: barrier.n_waiting == 1)
        barrier.wait(WITHIN)

        assert replacement.wait() == 0
    assert not barrier.broken
