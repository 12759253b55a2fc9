"""Conditions and barriers whose users are killed at every point.

Idea: as in test_sync.py: a process is killed, and one that waits beside it is not left waiting.
"""

import contextlib
import resource
import threading
from pathlib import Path
from typing import Any

import pytest

from procession import BrokenLockError, _core
from procession.synchronize import Barrier, Condition, Lock, RLock
from tests.crash.waiters import (
    Work,
    asleep_in,
    kill_with_a_waiter,
    nothing,
    or_broken,
    usable,
    wait_for_sleep,
)
from tests.support.kill import (
    WITHIN,
    Child,
    Counter,
    Signal,
    armed,
    arrived,
    child,
    is_asleep,
    killed_at,
)
from tests.support.threads import Background
from tests.support.waiting import wait_until

pytestmark = pytest.mark.usefixtures("sound")

RECLAIM = pytest.mark.parametrize("reclaim", [True, False], ids=["reclaimed", "left"])


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
@RECLAIM
def test_a_waiter_does_not_wait_for_a_notifier_that_is_dead(
    lock: Any, point: str, reclaim: bool
) -> None:
    """It was notified, or learns that the lock's holder died."""
    condition = Condition(lock())

    kill_with_a_waiter(
        point,
        prepare=nothing,
        act=notify_on(condition),
        wait=or_broken(wait_on(condition), BrokenLockError),
        reclaim=reclaim,
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
@RECLAIM
def test_a_waiter_killed_on_its_way_to_sleep_swallows_no_notification(
    point: str, reclaim: bool
) -> None:
    """It is the first in the queue, and the notification reaches the second."""
    condition = Condition()
    assert killed_at(point, wait_on(condition), reclaim=reclaim)
    if reclaim:
        _core.reclaim_dead()
    if point.startswith("condition.enter"):
        assert usable(condition._lock)

    with Counter() as ready, child(asleep_in(ready, wait_on(condition))) as other:
        wait_for_sleep(other, ready)
        notify_on(condition)()

        assert other.wait(WITHIN, "notify()") == 0


@pytest.mark.parametrize("point", ["condition.woken", "condition.leave.before_commit"])
@RECLAIM
def test_a_waiter_killed_as_it_is_notified_swallows_nothing(point: str, reclaim: bool) -> None:
    """What reached it goes to the one who waits next, or that one learns of the broken lock."""
    condition = Condition()

    def next_wait() -> None:
        or_broken(wait_on(condition), BrokenLockError)()

    with Counter() as ready:
        dying = Child(asleep_in(ready, armed(point, wait_on(condition), 1)), reclaim=reclaim)
        wait_until(lambda: condition._waiting() == 1)
        with child(asleep_in(ready, next_wait)) as other:
            wait_until(lambda: condition._waiting() == 2 or dying.exitcode is not None)
            notify_on(condition)()
            assert arrived(dying, point)

            assert other.wait(WITHIN, "notify()") == 0
    assert usable(condition._lock)


@pytest.mark.parametrize("point", ["condition.pass_on.between"])
def test_who_passes_a_notification_on_may_be_killed_as_well(point: str) -> None:
    """The third has it: at worst it is passed on twice."""
    condition = Condition()

    with Counter() as ready:
        first = Child(asleep_in(ready, armed("condition.woken", wait_on(condition))), reclaim=False)
        wait_until(lambda: condition._waiting() == 1)
        with child(asleep_in(ready, wait_on(condition))) as other:
            wait_until(lambda: condition._waiting() == 2)
            notify_on(condition)()
            assert arrived(first, "condition.woken")
            killed_at(point, _core.reclaim_dead, reclaim=False)

            assert other.wait(WITHIN, "notify()") == 0
    assert usable(condition._lock)


ENTRIES = 16  # in the condition itself: CONDITION_FIRST in native/sync/condition.h


def wait_in_threads(condition: Any, threads: int) -> Work:
    """So many wait() at the same time."""

    def run() -> None:
        for waiter in [Background(wait_on(condition)) for _ in range(threads)]:
            assert waiter.result() is True

    return run


@pytest.mark.parametrize("point", ["overflow.before_commit", "overflow.committed"])
@RECLAIM
def test_a_waiter_killed_as_it_makes_room_leaves_the_room_to_others(
    point: str, reclaim: bool
) -> None:
    """As many wait as have an entry; one more comes, and is killed; then others come."""
    condition = Condition(Lock(on_owner_death="release"))
    with child(wait_in_threads(condition, ENTRIES)) as many:
        wait_until(lambda: condition._waiting() == ENTRIES)
        assert killed_at(point, wait_on(condition), reclaim=reclaim)
        with child(wait_in_threads(condition, 3)) as more:
            wait_until(lambda: condition._waiting() == ENTRIES + 3)
            with condition:
                condition.notify(ENTRIES + 2)
                assert condition._waiting() == 1
                condition.notify()

            assert (many.wait(), more.wait()) == (0, 0)


def use_up_memory() -> list[_core.Block]:
    """Have no block of any size left for this process; what it returns must be kept."""
    room = [_core.Block(1) for _ in range(1000)]  # so that the list of what is held need not grow
    room.clear()
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + (4 << 20)  # enough for Python, too little for a window
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    taken = []
    for size in (1 << 16, 1 << 12, 1 << 9, 1 << 6):
        with contextlib.suppress(MemoryError):
            while True:
                taken.append(_core.Block(size))
    return taken


@pytest.mark.parametrize("point", ["condition.overflow_waiters.signalled"])
@RECLAIM
def test_a_waiter_without_entry_is_woken_though_the_notifier_is_killed(
    point: str, reclaim: bool
) -> None:
    """There is no memory for an entry of it, and the notifier dies before it can wake it."""
    condition = Condition(Lock(on_owner_death="release"))

    def wait_without_entry() -> None:
        taken = use_up_memory()
        ready.add()
        assert wait_on(condition)()
        del taken

    with child(wait_in_threads(condition, ENTRIES)):
        wait_until(lambda: condition._waiting() == ENTRIES)
        with Counter() as ready, child(wait_without_entry) as other:
            wait_for_sleep(other, ready)
            assert condition._waiting() == ENTRIES
            assert killed_at(point, notify_on(condition), reclaim=reclaim)

            assert other.wait(WITHIN, "the notifier's death") == 0


# ---------------------------------------------------------------------------------------- barriers

ARRIVALS = ("barrier.before_commit", "barrier.committed")


@pytest.mark.parametrize("point", ARRIVALS)
@pytest.mark.parametrize("parties", [2, 3])
@RECLAIM
def test_a_party_killed_as_it_comes_hangs_nobody(point: str, parties: int, reclaim: bool) -> None:
    """The others pass, or find the barrier broken."""
    barrier = Barrier(parties)

    kill_with_a_waiter(
        point,
        prepare=nothing,
        act=barrier.wait,
        wait=or_broken(lambda: barrier.wait() >= 0, threading.BrokenBarrierError),
        reclaim=reclaim,
    )

    barrier.reset()
    with child(barrier.wait) as one, child(barrier.wait) as two:
        if parties == 3:
            barrier.wait(WITHIN)
        assert (one.wait(WITHIN), two.wait(WITHIN)) == (0, 0)


@RECLAIM
def test_a_party_killed_while_it_waits_breaks_the_barrier(reclaim: bool) -> None:
    """The others are told who it was."""
    barrier = Barrier(3)

    def be_told() -> None:
        with pytest.raises(threading.BrokenBarrierError, match=str(dying.pid)):
            barrier.wait()

    dying = Child(barrier.wait, reclaim=reclaim)
    wait_until(lambda: barrier.n_waiting == 1)
    with Counter() as ready, child(asleep_in(ready, be_told)) as other:
        wait_for_sleep(other, ready)
        dying.kill()
        dying.wait()

        assert other.wait(WITHIN, "the other process's death") == 0
    assert barrier.broken


@RECLAIM
def test_a_party_of_the_last_round_that_is_killed_elsewhere_is_not_waited_for(
    reclaim: bool,
) -> None:
    """It came to the round before; nobody has come in its place."""
    barrier = Barrier(2)

    def come_twice() -> None:
        barrier.wait()
        with pytest.raises(threading.BrokenBarrierError):
            barrier.wait()

    with Signal() as never:
        dying = Child(lambda: (barrier.wait(), never.wait()), reclaim=reclaim)
        with child(come_twice) as other:
            wait_until(lambda: barrier.n_waiting == 1 and is_asleep(other.pid))
            dying.kill()
            dying.wait()
            assert other.wait(WITHIN, "the other process's death") == 0


def test_a_replacement_of_a_killed_party_is_welcome() -> None:
    """Nobody waits at the time of the death: then another may come in its place."""
    barrier = Barrier(2)
    with Signal() as never:
        dying = Child(lambda: (barrier.wait(), never.wait()))
        barrier.wait(WITHIN)
        dying.kill()
        dying.wait()

    with child(barrier.wait) as replacement:
        wait_until(lambda: barrier.n_waiting == 1)
        barrier.wait(WITHIN)

        assert replacement.wait() == 0
    assert not barrier.broken
