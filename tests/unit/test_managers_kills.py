"""Managers whose clients are killed all the time: nothing hangs, is lost or grows."""

import os
import random
from pathlib import Path
from typing import Any

import pytest

import procession
from tests.support import wait_until

CLIENTS = 8
KILLS = 50


def hammer(shared: Any, locked: Any, lock: Any, number: int, told: Any) -> None:
    """Write, read, count under a lock, make and drop; tell of each write that has returned."""
    value = 0
    while True:
        value += 1
        shared[number] = value
        told.put((number, value))
        assert shared[number] == value
        try:
            with lock:
                locked.value += 1
        except procession.BrokenLockError:
            lock.reset()
        shared.setdefault("everybody's", value)


def facts(pid: int) -> tuple[int, int]:
    """Threads and descriptors of a process."""
    threads = len(os.listdir(f"/proc/{pid}/task"))
    return threads, len(os.listdir(f"/proc/{pid}/fd"))


def resident_kilobytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS"):
            return int(line.split()[1])
    raise AssertionError(f"process {pid} has no VmRSS")


@pytest.mark.slow
def test_eight_clients_of_one_dict_of_whom_fifty_are_killed() -> None:
    ctx: Any = procession.get_context("fork")
    manager = ctx.Manager()
    process: Any = manager._process
    shared, locked, lock = manager.dict(), manager.Value("i", 0), manager.Lock()
    shared["x"] = 0  # this thread has its connections
    at_rest = facts(process.pid)
    told = ctx.Queue()
    clients: dict[int, Any] = {}
    last: dict[int, int] = {}
    numbers = iter(range(CLIENTS + KILLS))

    def start() -> None:
        number = next(numbers)
        clients[number] = ctx.Process(target=hammer, args=(shared, locked, lock, number, told))
        clients[number].start()

    def listen() -> None:
        number, value = told.get(timeout=30)
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
    while told.qsize():
        listen()

    assert all(shared[number] >= value for number, value in last.items())
    wait_until(lambda: facts(process.pid) <= at_rest, message=f"more than {at_rest} is left")
    assert manager._number_of_objects() == 3
    assert sizes[-1] < sizes[10] + 4096, sizes
    manager.shutdown()
    process.close()


def end(client: Any) -> None:
    client.kill()
    client.join()
    client.close()
