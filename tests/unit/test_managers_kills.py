"""Managers whose clients are killed all the time: nothing hangs, is lost or grows."""

import os
import random
from typing import Any

import pytest

import procession
from tests.support import wait_until
from tests.support.managers import resident_kilobytes

CLIENTS = 8
KILLS = 50


def hammer(shared: Any, locked: Any, lock: Any, number: int, written: Any) -> None:
    """Write, read, count under a lock; report each write that has returned."""
    value = 0
    while True:
        value += 1
        shared[number] = value
        written.put((number, value))
        assert shared[number] == value
        try:
            with lock:
                locked.value += 1
        except procession.BrokenLockError:
            lock.reset()
        shared.setdefault("everybody's", value)


def threads_and_descriptors(pid: int) -> tuple[int, int]:
    """Return how many threads and descriptors a process has."""
    return len(os.listdir(f"/proc/{pid}/task")), len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.slow
def test_fifty_of_the_clients_of_one_dict_are_killed() -> None:
    # size: one scenario, told from its start to its end
    ctx: Any = procession.get_context("fork")
    manager = ctx.Manager()
    process: Any = manager._process
    shared, locked, lock = manager.dict(), manager.Value("i", 0), manager.Lock()
    shared["x"] = 0  # this thread has its connections
    before = threads_and_descriptors(process.pid)
    written = ctx.Queue()
    clients: dict[int, Any] = {}
    last: dict[int, int] = {}
    numbers = iter(range(CLIENTS + KILLS))

    def start() -> None:
        number = next(numbers)
        clients[number] = ctx.Process(target=hammer, args=(shared, locked, lock, number, written))
        clients[number].start()

    def listen() -> None:
        number, value = written.get(timeout=30)
        last[number] = value

    for _ in range(CLIENTS):
        start()
    sizes = []
    for _ in range(KILLS):
        newest = max(clients)
        while newest not in last:
            listen()
        for _ in range(random.randrange(50)):
            listen()
        end(clients.pop(random.choice(list(clients))))
        sizes.append(resident_kilobytes(process.pid))
        start()
    for client in clients.values():
        end(client)
    while written.qsize():
        listen()

    assert all(shared[number] >= value for number, value in last.items())
    wait_until(
        lambda: threads_and_descriptors(process.pid) <= before,
        message=f"more than {before} is left",
    )
    assert manager._number_of_objects() == 3
    assert sizes[-1] < sizes[10] + 4096, sizes
    manager.shutdown()
    process.close()


def end(client: Any) -> None:
    client.kill()
    client.join()
    client.close()
