"""Locks, semaphores, events, conditions and barriers: what they promise, threads and pickling."""

import os
import pickle
import signal
import threading
import time
from typing import Any

import pytest

import procession
from procession import BrokenLockError, _core
from procession.synchronize import (
    SEM_VALUE_MAX,
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    Lock,
    RLock,
    Semaphore,
)
from tests.support import run_python
from tests.support.waiting import wait_until

PATIENCE = 10.0  # seconds; what takes so long has hung
A_WHILE = 0.05  # seconds; a least duration

LOCKS = pytest.mark.parametrize("kind", [Lock, RLock])
PRIMITIVES = (
    Lock,
    RLock,
    Semaphore,
    BoundedSemaphore,
    Event,
    Condition,
    lambda: Barrier(2),
)


class Background:
    """A thread whose result, or exception, is given by `result`."""

    def __init__(self, work: Any, *args: Any) -> None:
        self._outcome: Any = None
        self._thread = threading.Thread(target=self._run, args=(work, args), daemon=True)
        self._thread.start()

    def _run(self, work: Any, args: tuple[Any, ...]) -> None:
        try:
            self._outcome = work(*args)
        except BaseException as error:  # noqa: BLE001 - handed to whoever asks
            self._outcome = error

    def result(self) -> Any:
        """Wait for the end."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self._outcome


def in_thread(work: Any, *args: Any) -> Any:
    """Return what *work* returns, or raises, in another thread."""
    return Background(work, *args).result()


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


def hold_and_die(lock: Any) -> None:
    """Take *lock*, and be killed."""
    lock.acquire()
    os.kill(os.getpid(), signal.SIGKILL)


@LOCKS
def test_a_dead_holder_is_named(ctx: Any, kind: Any) -> None:
    """Its pid and its name; until reset() nobody has the lock."""
    lock = kind()
    process = ctx.Process(target=hold_and_die, args=(lock,), name="unlucky")
    process.start()
    process.join()

    for attempt in (lock.acquire, lock.release):
        with pytest.raises(BrokenLockError, match=rf"unlucky.*{process.pid}.*reset\(\)"):
            attempt()

    assert lock.locked()
    assert lock.reset()
    assert not lock.reset()
    with lock:
        pass
    process.close()


def test_the_line_that_took_the_lock_is_named_where_it_is_known() -> None:
    """With PROCESSION_DEBUG every acquire writes it down."""
    code = """
import os, procession
if __name__ == "__main__":
    context = procession.get_context("fork")
    lock = context.Lock()
    def die():
        with lock:  # line 6
            os._exit(1)
    process = context.Process(target=die)
    process.start()
    process.join()
    try:
        lock.acquire()
    except procession.BrokenLockError as error:
        print(error)
"""

    result = run_python(code, env={**os.environ, "PROCESSION_DEBUG": "1"})

    assert ":7 in die" in result.stdout


def test_a_lock_may_be_passed_on(ctx: Any, caplog: pytest.LogCaptureFixture) -> None:
    """With a warning in the log."""
    logger = procession.get_logger()
    logger.addHandler(caplog.handler)
    lock = Lock(on_owner_death="release")
    process = ctx.Process(target=hold_and_die, args=(lock,))
    process.start()
    process.join()

    try:
        assert lock.acquire(timeout=PATIENCE)
    finally:
        logger.removeHandler(caplog.handler)

    assert f"pid {process.pid}" in caplog.text
    process.close()


def test_another_manner_of_death_is_refused() -> None:
    """There are two."""
    with pytest.raises(ValueError, match="'raise' or 'release'"):
        Lock(on_owner_death="ignore")


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


@LOCKS
def test_of_two_busy_processes_neither_starves(kind: Any) -> None:
    """The less lucky has at least a fifth; see the lock's rule of fairness."""
    ctx = procession.get_context("fork")
    lock, end, numbers = kind(), ctx.Event(), ctx.SimpleQueue()
    processes = [ctx.Process(target=take_turns, args=(lock, numbers, end)) for _ in range(2)]
    for process in processes:
        process.start()

    time.sleep(0.5)  # not a wait: the length of the race
    end.set()

    counts = sorted(numbers.get() for _ in processes)
    for process in processes:
        process.join()
    assert counts[0] >= sum(counts) / 5, counts


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
    """Who ends in order keeps what it took, as in the standard package."""
    semaphore = ctx.Semaphore(3)

    process = ctx.Process(target=take_some, args=(semaphore, 2, how_to_end))
    process.start()
    process.join()

    assert semaphore.get_value() == left
    process.close()


# ------------------------------------------------------------------------------------------ events


def test_an_event_wakes_all_who_wait() -> None:
    """Also when it is cleared at once."""
    event = Event()
    waiters = [Background(event.wait, PATIENCE) for _ in range(5)]
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

        assert event.wait(PATIENCE)
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
def test_notifications_reach_those_who_have_waited_longest(make: Any) -> None:
    """One each; over any lock."""
    condition = Condition(make())
    order: list[int] = []

    def wait(number: int) -> None:
        with condition:
            assert condition.wait(PATIENCE)
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
        assert condition.wait(PATIENCE)
        assert notifier.result() is None
        assert in_thread(condition.acquire, False) is False
    assert in_thread(condition.acquire, False) is True


def test_more_may_wait_than_there_are_seats() -> None:
    """Those who stand are woken by every notification."""
    condition, count = Condition(), 60

    def wait() -> bool:
        with condition:
            return condition.wait(PATIENCE)

    waiters = [Background(wait) for _ in range(count)]
    wait_until(lambda: condition._waiting() == 48)
    with condition:
        condition.notify_all()

    assert sum(waiter.result() is True for waiter in waiters) >= 48


def test_wait_for_ends_with_the_last_answer() -> None:
    """What the predicate returned, true or not."""
    condition = Condition()

    with condition:
        assert condition.wait_for(lambda: "yes") == "yes"
        assert condition.wait_for(lambda: 0, timeout=A_WHILE) == 0


# ---------------------------------------------------------------------------------------- barriers


def test_the_last_to_come_acts_once() -> None:
    """Before anybody goes on; the indices are those of their coming."""
    acted: list[int] = []
    barrier = Barrier(3, lambda: acted.append(1))

    parties = [Background(barrier.wait, PATIENCE) for _ in range(3)]

    assert sorted(party.result() for party in parties) == [0, 1, 2]
    assert acted == [1]
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)


def test_an_action_that_fails_breaks_the_barrier() -> None:
    """Its caller has the exception, the others learn that nobody passes."""
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
    other = Background(barrier.wait, PATIENCE)
    assert barrier.wait(PATIENCE) + other.result() == 1


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
    barrier.wait(PATIENCE)


def test_they_travel_by_any_way(ctx: Any) -> None:
    """As an argument, and through a queue: here and there it is the same object."""
    barrier = Barrier(2)
    things = [Lock(), RLock(), Semaphore(1), Condition(Lock()), Event(), barrier]
    received = ctx.Queue()

    process = ctx.Process(target=use_all, args=(things, received))
    process.start()
    lock, rlock, semaphore, condition, event, same_barrier = received.get(timeout=PATIENCE)
    same_barrier.wait(PATIENCE)
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


# ------------------------------------------------------------------------------------------- memory


@pytest.mark.parametrize("make", PRIMITIVES)
def test_ten_thousand_take_no_descriptor_and_their_memory_returns(make: Any) -> None:
    """They are numbers."""
    make()
    before = _core.arena_usage()["used"]
    descriptors = len(os.listdir("/proc/self/fd"))

    things = [make() for _ in range(10_000)]
    assert len(os.listdir("/proc/self/fd")) == descriptors
    things.clear()

    held = sum(1 for _ in range(20) if make())  # who next uses the arena takes the dead apart
    assert held == 20
    usage = _core.arena_usage()["used"]
    # The list of what this process holds has grown, and stays.
    assert usage - before < 600_000


@pytest.mark.parametrize("kind", [Lock, RLock, Semaphore, Event, Condition, Barrier])
def test_what_was_never_initialised_says_so(kind: Any) -> None:
    """Rather than crash."""
    thing = kind.__new__(kind)

    for method in ("acquire", "release", "wait", "set", "notify", "reset", "__enter__"):
        if hasattr(kind, method):
            with pytest.raises(ValueError, match=r"initialised|no lock yet"):
                getattr(thing, method)()
    assert repr(kind)
