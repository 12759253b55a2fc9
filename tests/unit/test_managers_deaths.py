"""Clients of a manager that are killed in a call or with a lock, and managers that are killed."""

import os
import queue
import signal
import threading
import time
from typing import Any

import pytest

import procession
from procession.managers import ManagerLostError
from tests.support import wait_until
from tests.support.threads import in_thread


def wait_in(ready: Any, method: Any, *args: Any) -> None:
    ready.put(None)
    method(*args)


def kill_in_call(ctx: Any, method: Any, *args: Any) -> None:
    """Have a child wait in *method*, and kill it."""
    ready = ctx.Queue()
    process = ctx.Process(target=wait_in, args=(ready, method, *args))
    process.start()
    ready.get(timeout=30)
    # Whether the call has arrived cannot be seen from here. Either way the claim holds.
    time.sleep(0.05)
    process.kill()
    process.join()
    process.close()


def hold_forever(ready: Any, lock: Any) -> None:
    lock.acquire()
    ready.put(None)
    signal.pause()


def kill_with_lock(ctx: Any, lock: Any) -> None:
    """Have a child acquire *lock*, and kill it."""
    ready = ctx.Queue()
    process = ctx.Process(target=hold_forever, args=(ready, lock))
    process.start()
    ready.get(timeout=30)
    process.kill()
    process.join()
    process.close()


def test_a_getter_that_is_killed_takes_nothing(ctx: Any, manager: Any) -> None:
    tasks = manager.Queue()
    kill_in_call(ctx, tasks.get)
    wait_until(lambda: "refcount=1\n" in manager._debug_info() + "\n")
    tasks.put("for the living")

    assert tasks.get(timeout=5) == "for the living"


def test_a_lock_whose_holder_was_killed_is_broken_until_it_is_reset(ctx: Any, manager: Any) -> None:
    """Each acquire raises an error that says so."""
    for lock in (manager.Lock(), manager.RLock()):
        kill_with_lock(ctx, lock)
        with pytest.raises(procession.BrokenLockError, match="died while it held this lock"):
            lock.acquire(timeout=10)
        lock.reset()
        assert lock.acquire(timeout=10)
        lock.release()


def test_a_waiter_for_a_lock_that_is_killed_does_not_get_it(ctx: Any, manager: Any) -> None:
    lock = manager.Lock()
    lock.acquire()
    kill_in_call(ctx, lock.acquire)
    lock.release()

    assert lock.acquire(timeout=10)


def test_permits_of_a_killed_client_are_given_back(ctx: Any, manager: Any) -> None:
    semaphore = manager.BoundedSemaphore(2)
    kill_with_lock(ctx, semaphore)

    assert semaphore.acquire(timeout=10)
    assert semaphore.acquire(timeout=10)
    assert not semaphore.acquire(False)


def wait_for_notification(condition: Any, ready: Any) -> None:
    with condition:
        ready.put(None)
        ready.put(condition.wait(30))


def test_a_notification_is_not_lost_with_a_killed_waiter(ctx: Any, manager: Any) -> None:
    """Two clients wait, the first is killed; one notification wakes the other."""
    condition, queues = manager.Condition(), [ctx.Queue(), ctx.Queue()]
    processes = []
    for each in queues:
        process = ctx.Process(target=wait_for_notification, args=(condition, each))
        process.start()
        each.get(timeout=30)
        with condition:  # which is possible only when the child waits
            processes.append(process)
    processes[0].kill()
    processes[0].join()
    with condition:
        condition.notify()

    assert queues[1].get(timeout=10) is True
    for process in processes:
        process.join()
        process.close()


def test_a_barrier_breaks_when_a_party_is_killed(ctx: Any, manager: Any) -> None:
    barrier = manager.Barrier(3)
    broken: list[bool] = []

    def wait() -> None:
        try:
            barrier.wait(30)
        except threading.BrokenBarrierError:
            broken.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    ready = ctx.Queue()
    process = ctx.Process(target=wait_in, args=(ready, barrier.wait))
    process.start()
    wait_until(lambda: barrier.n_waiting == 2)
    process.kill()
    process.join()
    process.close()
    thread.join(10)

    assert broken == [True]
    assert barrier.broken


def test_a_call_to_a_dead_manager_fails_at_once() -> None:
    """A call that waits fails, and the next one does."""
    manager = procession.get_context("fork").Manager()
    tasks = manager.Queue()
    assert manager._process is not None
    killer = threading.Timer(0.1, os.kill, (manager._process.pid, signal.SIGKILL))
    killer.start()
    begin = time.monotonic()

    with pytest.raises(ManagerLostError, match=r"the manager at .* during Queue.get\(\)"):
        tasks.get()
    for _ in range(3):
        for call in (tasks.get, tasks.qsize, manager.dict, manager._number_of_objects):
            with pytest.raises(ManagerLostError, match="the manager at"):
                call()
            with pytest.raises(ManagerLostError, match="the manager at"):
                in_thread_raising(call)
    assert time.monotonic() - begin < 1.1
    killer.join()
    manager.shutdown()
    manager._process.close()


def in_thread_raising(call: Any) -> None:
    """Make a call in another thread, which has no connection yet; raise what it raises."""
    outcome = in_thread(call)
    if isinstance(outcome, BaseException):
        raise outcome


def test_writes_of_killed_clients_are_whole(ctx: Any, manager: Any) -> None:
    """Each write that has returned is there; no other client is affected."""
    shared = manager.dict()
    written = ctx.Queue()
    processes = []
    for number in range(4):
        process = ctx.Process(target=write_and_tell, args=(shared, number, written))
        process.start()
        processes.append(process)
    last: dict[int, int] = {}
    while len(last) < 4 or min(last.values()) < 20:
        number, value = written.get(timeout=30)
        last[number] = value
    for process in processes:
        process.kill()
        process.join()
        process.close()
    try:
        while True:
            number, value = written.get(timeout=0.1)
            last[number] = value
    except queue.Empty:
        pass

    assert all(shared[number] >= value for number, value in last.items())


def write_and_tell(shared: Any, number: int, written: Any) -> None:
    value = 0
    while True:
        value += 1
        shared[number] = value
        written.put((number, value))
