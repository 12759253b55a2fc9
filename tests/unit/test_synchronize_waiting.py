"""Events, conditions and barriers: which waits end, by what; and how all of them are sent."""

import pickle
import signal
import threading
import time
from typing import Any

import pytest

from procession.sharedctypes import Value
from procession.synchronize import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    Lock,
    RLock,
    Semaphore,
)
from tests.support import run_python
from tests.support.threads import TIMEOUT, Background, in_thread
from tests.support.waiting import wait_until

A_WHILE = 0.05  # seconds; a least duration

PRIMITIVES = (
    Lock,
    RLock,
    Semaphore,
    BoundedSemaphore,
    Event,
    Condition,
    lambda: Barrier(2),
)


# ------------------------------------------------------------------------------------------ events


def test_an_event_ends_all_waits() -> None:
    """Also when it is cleared at once."""
    event = Event()
    waiters = [Background(event.wait, TIMEOUT) for _ in range(5)]
    time.sleep(A_WHILE)  # most of them wait by now; the claim holds for all anyway

    event.set()
    assert [waiter.result() for waiter in waiters] == [True] * 5

    event.clear()
    assert not event.wait(0)
    assert not event.is_set()


def test_set_in_a_signal_handler_wakes_the_wait_it_interrupted() -> None:
    """Nothing is held while waiting."""
    event = Event()
    before = signal.signal(signal.SIGALRM, lambda *_: event.set())
    try:
        signal.setitimer(signal.ITIMER_REAL, A_WHILE)

        assert event.wait(TIMEOUT)
    finally:
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize("make", PRIMITIVES)
def test_a_wait_is_interrupted_by_a_handler_that_raises(make: Any) -> None:
    """Ctrl-C ends every wait."""
    thing = make()
    wait = getattr(thing, "wait", None) or thing.acquire
    if hasattr(thing, "acquire"):
        Background(thing.acquire).result() if wait == thing.acquire else thing.acquire()

    def handler(*_: Any) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, A_WHILE)
        with pytest.raises(KeyboardInterrupt):
            wait()
    finally:
        signal.signal(signal.SIGALRM, before)
    if isinstance(thing, Condition):
        thing.release()  # it has the lock again
    if isinstance(thing, Barrier):
        assert thing.n_waiting == 0


# -------------------------------------------------------------------------------------- conditions


@pytest.mark.parametrize("make", [Lock, RLock, threading.RLock])
def test_notifications_reach_the_longest_waits(make: Any) -> None:
    """One each; over any lock."""
    condition = Condition(make())
    order: list[int] = []

    def wait(number: int) -> None:
        with condition:
            assert condition.wait(TIMEOUT)
            order.append(number)

    waiters = []
    for number in range(4):
        waiters.append(Background(wait, number))
        wait_until(lambda number=number: condition._waiting() == number + 1)
    for count in (1, 2, 5):
        with condition:
            condition.notify(count)
        wait_until(lambda count=count: len(order) == min(4, 2 * count - 1))
    for waiter in waiters:
        assert waiter.result() is None

    assert (order[0], sorted(order[1:3]), order[3]) == (0, [1, 2], 3)


def test_a_condition_is_used_with_its_lock() -> None:
    """As documented."""
    condition = Condition()

    for use in (condition.wait, condition.notify, condition.notify_all):
        with pytest.raises(AssertionError):
            use()


def test_a_wait_gives_back_a_lock_taken_more_than_once() -> None:
    """And has it as often afterwards."""
    condition = Condition()

    def notify() -> None:
        with condition:
            condition.notify()

    with condition, condition:
        notifier = Background(notify)
        assert condition.wait(TIMEOUT)
        assert notifier.result() is None
        assert in_thread(condition.acquire, False) is False
    assert in_thread(condition.acquire, False) is True


def wait_in_threads(condition: Any, threads: int, woken: Any) -> None:
    """Wait in many threads; each counts itself once it is back."""

    def wait() -> None:
        with condition:
            if condition.wait(TIMEOUT):
                woken.add(1)

    waiters = [Background(wait) for _ in range(threads)]
    for waiter in waiters:
        assert waiter.result() is None


def test_however_many_wait_as_many_are_woken_as_asked_for(ctx: Any) -> None:
    """120 threads of four processes: five are five, and all are all."""
    condition, woken = Condition(), Value("q")
    processes = [ctx.Process(target=wait_in_threads, args=(condition, 30, woken)) for _ in range(4)]
    for process in processes:
        process.start()
    wait_until(lambda: condition._waiting() == 120, timeout=30)

    expected = 0
    for count in (5, 1, 40, 17):
        with condition:
            condition.notify(count)
            expected += count
            assert condition._waiting() == 120 - expected
        wait_until(lambda: woken.value >= expected)  # noqa: B023 - called at once
        assert woken.value == expected
    with condition:
        condition.notify_all()
    for process in processes:
        process.join()
        assert process.exitcode == 0
        process.close()

    assert woken.value == 120


def test_wait_for_ends_with_the_last_answer() -> None:
    """What the predicate returned, true or not."""
    condition = Condition()

    with condition:
        assert condition.wait_for(lambda: "yes") == "yes"
        assert condition.wait_for(lambda: 0, timeout=A_WHILE) == 0


# ---------------------------------------------------------------------------------------- barriers


def test_the_last_to_come_acts_once() -> None:
    """Before any party goes on; the indices are those of their arrival."""
    acted: list[int] = []
    barrier = Barrier(3, lambda: acted.append(1))

    parties = [Background(barrier.wait, TIMEOUT) for _ in range(3)]

    assert sorted(party.result() for party in parties) == [0, 1, 2]
    assert acted == [1]
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)


def test_an_action_that_fails_breaks_the_barrier() -> None:
    """Its caller has the exception, the others learn that the barrier is broken."""
    barrier = Barrier(2, lambda: 1 / 0)

    outcomes = [party.result() for party in [Background(barrier.wait) for _ in range(2)]]

    kinds = {type(outcome) for outcome in outcomes}
    assert kinds == {ZeroDivisionError, threading.BrokenBarrierError}


def test_a_timeout_breaks_the_barrier_until_it_is_reset() -> None:
    """As `threading.Barrier`."""
    barrier = Barrier(2, timeout=A_WHILE)

    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()
    assert barrier.broken
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait()

    barrier.reset()
    other = Background(barrier.wait, TIMEOUT)
    assert barrier.wait(TIMEOUT) + other.result() == 1


@pytest.mark.parametrize("end", ["abort", "reset"])
def test_who_waits_learns_of_an_end_without_passing(end: str) -> None:
    """The barrier is broken after abort(), as new after reset()."""
    barrier = Barrier(2)
    waiter = Background(barrier.wait)
    wait_until(lambda: barrier.n_waiting == 1)

    getattr(barrier, end)()

    assert isinstance(waiter.result(), threading.BrokenBarrierError)
    assert barrier.broken is (end == "abort")


@pytest.mark.parametrize("parties", [0, -1, 10**7])
def test_a_barrier_has_parties(parties: int) -> None:
    """At least one."""
    with pytest.raises(ValueError, match="parties must be > 0"):
        Barrier(parties)


# --------------------------------------------------------------------------------------- travelling


def use_all(things: list[Any], received: Any) -> None:
    """Use what came as an argument, then send it back through a queue."""
    lock, rlock, semaphore, condition, event, barrier = things
    with lock, rlock, semaphore, condition:
        condition.notify()
    event.set()
    received.put(things)
    barrier.wait(TIMEOUT)


def test_they_are_sent_in_any_way(ctx: Any) -> None:
    """As an argument, and through a queue: here and there it is the same object."""
    barrier = Barrier(2)
    things = [Lock(), RLock(), Semaphore(1), Condition(Lock()), Event(), barrier]
    received = ctx.Queue()

    process = ctx.Process(target=use_all, args=(things, received))
    process.start()
    lock, rlock, semaphore, condition, event, same_barrier = received.get(timeout=TIMEOUT)
    same_barrier.wait(TIMEOUT)
    process.join()

    assert process.exitcode == 0
    assert event.is_set()
    assert things[4].is_set()
    for ours, theirs in zip(things[:3], (lock, rlock, semaphore), strict=True):
        with ours:
            assert in_thread(theirs.acquire, False) is False
    with things[3]:
        assert condition._lock.locked()
    process.close()


def test_two_conditions_share_their_lock_after_a_journey() -> None:
    """As before it."""
    lock = Lock()
    first, second = Condition(lock), Condition(lock)
    there = pickle.loads(pickle.dumps((lock, first, second)))

    assert there[1]._lock is there[0]
    assert there[2]._lock is there[0]


def test_another_family_is_told_so() -> None:
    """A clear error, not another's lock."""
    data = pickle.dumps(Lock())

    result = run_python(
        "import pickle, procession.synchronize as s\n"
        "own = s.Lock()\n"
        "try:\n"
        f"    pickle.loads({data!r})\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
    )

    assert "another family" in result.stdout
