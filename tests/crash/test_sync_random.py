"""Locks, semaphores, conditions and barriers whose users are killed from outside, at any instant.

Idea: a few children use everything in a loop, all the time; now and then one is killed and another
comes in its place. At the end as many permits are there as at the beginning, and everything works.
"""

import random
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from procession import BrokenLockError, _core
from procession.synchronize import Barrier, BoundedSemaphore, Condition, Lock, RLock
from tests.support.kill import WITHIN, Child, child

pytestmark = [pytest.mark.usefixtures("sound"), pytest.mark.slow]

SECONDS = 2.5  # of killing, for each test
CHILDREN = 3
LONGEST_LIFE = 0.02  # seconds


@pytest.fixture
def chance(record_property: Callable[[str, object], None]) -> random.Random:
    """Random numbers; the seed is printed, and stands in the report of a failure."""
    seed = time.time_ns()
    print(f"seed {seed}")
    record_property("seed", seed)
    return random.Random(seed)


def kill_at_random(chance: random.Random, work: Callable[[], None]) -> int:
    """Run *work* in a loop in a few children that are killed and replaced; how many were killed."""

    def loop() -> None:
        while True:
            work()

    end, kills = time.monotonic() + SECONDS, 0
    children = [Child(loop) for _ in range(CHILDREN)]
    try:
        while time.monotonic() < end:
            time.sleep(chance.uniform(0, LONGEST_LIFE))  # the instant of the kill is what is random
            dying = chance.randrange(CHILDREN)
            children[dying].kill()
            children[dying].wait()
            kills += 1
            children[dying] = Child(loop)
    finally:
        for each in children:
            each.kill()
            each.wait()
    _core.reclaim_dead()
    return kills


def test_permits_are_neither_lost_nor_made(chance: random.Random) -> None:
    """Whatever was held, and by whom, when it was killed."""
    semaphore = BoundedSemaphore(2)

    def work() -> None:
        with semaphore:
            pass
        if semaphore.acquire(timeout=0.001):
            semaphore.release()

    assert kill_at_random(chance, work) > 20

    assert semaphore.get_value() == 2


@pytest.mark.parametrize("kind", [Lock, RLock])
def test_a_lock_that_is_passed_on_is_always_had_by_one(chance: random.Random, kind: Any) -> None:
    """Two counters that only its holder changes never differ by more than its death explains."""
    lock, pair = kind(on_owner_death="release"), memoryview(_core.Block(16)).cast("q")

    def work() -> None:
        with lock:
            pair[0] += 1
            pair[1] = pair[0]

    assert kill_at_random(chance, work) > 20

    assert lock.acquire(timeout=WITHIN)
    lock.release()
    assert pair[0] - pair[1] in (0, 1)


def test_a_lock_that_breaks_can_be_reset_by_anyone(chance: random.Random) -> None:
    """Nobody hangs: who is not told of a death has the lock."""
    lock = Lock()

    def work() -> None:
        try:
            with lock:
                pass
        except BrokenLockError:
            lock.reset()

    assert kill_at_random(chance, work) > 20

    lock.reset()
    assert lock.acquire(timeout=WITHIN)


def test_notifications_outlive_their_waiters(chance: random.Random) -> None:
    """A queue of tokens over a condition: afterwards a waiter is still woken by one notify()."""
    condition, tokens = Condition(Lock(on_owner_death="release")), memoryview(_core.Block(8))

    def work() -> None:
        with condition:
            while tokens[0] == 0:
                tokens[0] = 1
                condition.notify()
                condition.wait(0.001)
            tokens[0] = 0
            condition.notify()

    assert kill_at_random(chance, work) > 20

    def wait() -> None:
        with condition:
            assert condition.wait(10 * WITHIN)

    with child(wait) as waiter:
        deadline = time.monotonic() + 10 * WITHIN
        while condition._waiting() == 0:
            assert time.monotonic() < deadline
        with condition:
            condition.notify()
        assert waiter.wait(WITHIN, "notify()") == 0


def test_a_barrier_that_breaks_can_be_reset_by_anyone(chance: random.Random) -> None:
    """Nobody hangs: each wait passes, or raises."""
    barrier = Barrier(CHILDREN)

    def work() -> None:
        try:
            barrier.wait()
        except threading.BrokenBarrierError:
            barrier.reset()

    assert kill_at_random(chance, work) > 20

    barrier.reset()
    with child(barrier.wait), child(barrier.wait):
        barrier.wait(10 * WITHIN)
