"""Locks, semaphores and events whose users are killed at every point.

Idea: a *process* is killed at a point of one operation while a *waiter* waits for what that
operation would give. Within a second the waiter has it, or has an error that says what happened;
and the object is of use to all others.
"""

import os
import signal
from typing import Any

import pytest

from procession import BrokenLockError, _core
from procession.synchronize import BoundedSemaphore, Event, Lock, RLock, Semaphore
from tests.crash.kills import killed_after_another
from tests.crash.waiters import (
    asleep_in,
    kill_with_a_waiter,
    nothing,
    or_broken,
    usable,
    wait_for_sleep,
)
from tests.support.kill import WITHIN, Child, Counter, Signal, armed, arrived, child, killed_at
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("sound")

RECLAIM = pytest.mark.parametrize("reclaim", [True, False], ids=["reclaimed", "left"])
LOCKS = pytest.mark.parametrize("kind", [Lock, RLock])
SLICE = 0.2  # seconds that a sleep lasts at most; who goes on sleeping then is impatient


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
@RECLAIM
def test_a_lock_comes_back_whose_user_is_killed(kind: Any, point: str, reclaim: bool) -> None:
    """Taken or not, the next user has it or its error at once."""
    lock = kind()

    def use() -> None:
        with lock:
            pass

    assert killed_at(point, use, reclaim=reclaim)

    assert usable(lock)
    assert not lock.locked()


@pytest.mark.parametrize("point", ["lock.before_sleep", "lock.woken", "lock.taken_after_wait"])
@LOCKS
def test_a_lock_outlives_a_waiter_killed_anywhere(kind: Any, point: str) -> None:
    """A wake-up that went to the dead is made up for."""
    lock = kind()
    lock.acquire()

    with Counter() as ready, child(asleep_in(ready, armed(point, lock.acquire))) as dying:
        if point != "lock.before_sleep":
            wait_for_sleep(dying, ready)
            with child(asleep_in(ready, or_broken(lock.acquire, BrokenLockError))) as other:
                wait_for_sleep(other, ready)
                lock.release()
                arrived(dying, point)
                assert other.wait(WITHIN, "the other process's death") == 0
        else:
            assert arrived(dying, point)
            lock.release()

    assert usable(lock)


@pytest.mark.parametrize("point", ["lock.release.before_wake"])
@RECLAIM
@LOCKS
def test_a_waiter_gets_the_lock_that_was_released_without_a_wake_up(
    kind: Any, point: str, reclaim: bool
) -> None:
    """The word says that it is free; the wake-up was never sent."""
    lock = kind()

    kill_with_a_waiter(
        point,
        prepare=lock.acquire,
        act=lock.release,
        wait=lambda: lock.acquire() and lock.release(),
        reclaim=reclaim,
    )

    assert usable(lock)


@pytest.mark.parametrize("point", ["lock.release.offer_cancelled"])
@RECLAIM
@LOCKS
def test_a_lock_is_free_whose_offer_is_taken_back_by_a_process_that_is_killed(
    kind: Any, point: str, reclaim: bool
) -> None:
    """Somebody has waited for long, and gone: the lock is offered to nobody, and taken back."""
    lock = kind()
    with Signal() as go, Counter() as ready:

        def hold_and_release() -> None:
            lock.acquire()
            ready.add()
            go.wait()
            armed(point, lock.release)()

        dying = Child(hold_and_release, reclaim=reclaim)
        wait_until(ready.count)
        assert not lock.acquire(timeout=3 * SLICE)
        go.give()
        assert arrived(dying, point)

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
@RECLAIM
def test_a_lock_that_is_passed_on_is_never_broken(point: str, reclaim: bool) -> None:
    """With on_owner_death="release" the next user simply has it."""
    lock = Lock(on_owner_death="release")

    assert killed_at(point, lock.acquire, reclaim=reclaim)

    assert lock.acquire(timeout=WITHIN)
    lock.release()


# -------------------------------------------------------------------------------------- semaphores

COMMITS = ("semaphore.before_commit", "semaphore.committed")


@pytest.mark.parametrize("point", COMMITS)
@pytest.mark.parametrize("kind", [Semaphore, BoundedSemaphore])
@RECLAIM
def test_a_permit_comes_back_whose_taker_is_killed(kind: Any, point: str, reclaim: bool) -> None:
    """As many permits as there were, neither less nor more."""
    semaphore = kind(2)

    assert killed_at(point, semaphore.acquire, reclaim=reclaim)

    assert semaphore.acquire(timeout=WITHIN)
    assert semaphore.acquire(timeout=WITHIN)
    assert not semaphore.acquire(block=False)


@pytest.mark.parametrize("point", [*COMMITS, "semaphore.release.before_wake"])
@RECLAIM
def test_a_permit_is_released_once_or_given_back_once(point: str, reclaim: bool) -> None:
    """Killed in release(): the waiter has the permit, and there is no second one."""
    semaphore = Semaphore(1)

    kill_with_a_waiter(
        point,
        prepare=semaphore.acquire,
        act=semaphore.release,
        wait=lambda: semaphore.acquire() and semaphore.release(),
        reclaim=reclaim,
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
    producer = Child(lambda: [slots.acquire() for _ in range(2)], reclaim=False)
    wait_until(lambda: slots.get_value() == 1)
    slots.release()

    producer.wait()
    _core.reclaim_process(producer.pid)

    assert slots.get_value() == 2


# ------------------------------------------------------------------------------------------ events


@pytest.mark.parametrize("point", ["event.set.before_wake", "event_count.before_wake"])
@RECLAIM
def test_an_event_is_seen_that_was_set_by_a_killed_process(point: str, reclaim: bool) -> None:
    """The wake-up was never sent."""
    event = Event()

    kill_with_a_waiter(point, nothing, event.set, event.wait, reclaim=reclaim)

    assert event.is_set()


@pytest.mark.parametrize("point", ["event_count.prepared", "event_count.woken"])
def test_an_event_outlives_a_waiter_killed_anywhere(point: str) -> None:
    """Another waiter is woken all the same."""
    event = Event()

    with Counter() as ready, child(asleep_in(ready, armed(point, event.wait))) as dying:
        if point == "event_count.prepared":
            assert arrived(dying, point)
        else:
            wait_for_sleep(dying, ready)
        with child(asleep_in(ready, event.wait)) as other:
            wait_for_sleep(other, ready)
            event.set()
            assert other.wait(WITHIN, "set()") == 0


@pytest.mark.parametrize("point", ["event_count.cleared"])
@RECLAIM
def test_who_clears_what_a_dead_sleeper_left_may_be_killed_as_well(
    point: str, reclaim: bool
) -> None:
    """It finds nobody to wake, and says so; what it released is there; later sleepers are woken."""
    semaphore = Semaphore(0)
    assert killed_at("event_count.prepared", semaphore.acquire, reclaim=reclaim)

    assert killed_at(point, semaphore.release, reclaim=reclaim)

    assert semaphore.acquire(timeout=WITHIN)
    with Counter() as ready, child(asleep_in(ready, semaphore.acquire)) as other:
        wait_for_sleep(other, ready)
        semaphore.release()
        assert other.wait(WITHIN, "release()") == 0
