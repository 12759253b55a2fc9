"""Calls of managers that wait: beside others, in order, interrupted."""

import signal
import threading
from typing import Any

import pytest

from tests.support.managers import run_child


def test_a_call_that_waits_does_not_delay_other_calls(forked_manager: Any) -> None:
    """Not even those of other threads of the same process."""
    tasks, event, shared = forked_manager.Queue(), forked_manager.Event(), forked_manager.dict()
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(tasks.get())),
        threading.Thread(target=lambda: results.append(event.wait())),
    ]
    for thread in threads:
        thread.start()
    shared["x"] = 1
    event.set()
    tasks.put(True)
    for thread in threads:
        thread.join()

    assert results == [True, True]


def test_a_queue_is_shut_down_for_all_clients(forked_manager: Any) -> None:
    """Calls that wait get ShutDown; the items can still be got, unless it is immediate."""
    tasks, full = forked_manager.Queue(), forked_manager.Queue(1)
    joined = forked_manager.JoinableQueue()
    full.put(1)
    joined.put(1)
    errors: list[str] = []

    def wait(method: Any, *args: Any) -> None:
        try:
            method(*args)
        except Exception as error:  # noqa: BLE001 - which is the claim
            errors.append(type(error).__name__.removesuffix("Error").removeprefix("_"))

    calls = ((tasks.get,), (full.put, 2), (joined.join,))
    threads = [threading.Thread(target=wait, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for each in (tasks, full):
        each.shutdown()
    joined.shutdown(immediate=True)
    for thread in threads:
        thread.join(10)
    wait(full.put, 3)
    assert full.get() == 1
    wait(full.get)

    assert errors == ["ShutDown"] * 4


def test_a_lock_may_be_released_by_another_process(ctx: Any, manager: Any) -> None:
    lock = manager.Lock()

    assert run_child(ctx, lock.acquire) == 0

    assert lock.locked()
    lock.release()
    assert lock.acquire(False)


def test_a_barrier_lets_all_parties_pass_and_counts_them(forked_manager: Any) -> None:
    barrier = forked_manager.Barrier(3)
    indices: list[int] = []

    def wait() -> None:
        indices.append(barrier.wait())

    for _ in range(3):
        threads = [threading.Thread(target=wait) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(indices) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait(0.01)
    barrier.reset()
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)


def test_an_interrupted_call_harms_nothing(forked_manager: Any) -> None:
    """A signal handler raises in the middle of a call: the next call gets its own reply."""
    tasks, shared = forked_manager.Queue(), forked_manager.list([1])

    class Interrupted(Exception):
        """Raised by the alarm."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(Interrupted):
            tasks.get()
    finally:
        signal.signal(signal.SIGALRM, before)
    tasks.put("kept")

    assert shared[:] == [1]
    assert tasks.get() == "kept"
    assert forked_manager._number_of_objects() == 2


def test_a_call_inside_a_call_has_its_own_connection(forked_manager: Any) -> None:
    """A signal handler uses a proxy in which the thread is just waiting."""
    tasks = forked_manager.Queue()
    before = signal.signal(signal.SIGALRM, lambda *_: tasks.put("from the handler"))
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        received = tasks.get(timeout=10)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert received == "from the handler"
