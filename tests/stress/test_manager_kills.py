"""Hundreds of clients of a manager are killed: neither the arena nor the server grows."""

import os
import signal
from typing import Any

import pytest

import procession
from procession import _core
from tests.support import wait_until
from tests.support.managers import resident_kilobytes

DEATHS, AT_ONCE = 340, 5
SEGMENT = 64 * 1024  # bytes of a channel that hold records
LARGE = os.urandom(20_000)


def call_and_die(shared: Any, tasks: Any, number: int, leave: str) -> None:
    """Make a few calls, leave the result of one in its channel, or not, and be killed."""
    shared[number % 10] = LARGE
    assert shared[number % 10]
    tasks.put(number)
    calls = shared._client._thread.conn.channels
    if leave == "value":
        calls._put((shared._id, "get", (number % 10,), ()), calls._session)
    elif leave == "item":
        calls._put((tasks._id, "get", (), ()), calls._session)
    os.kill(os.getpid(), signal.SIGKILL)


def threads_and_descriptors(pid: int) -> tuple[int, int]:
    return len(os.listdir(f"/proc/{pid}/task")), len(os.listdir(f"/proc/{pid}/fd"))


@pytest.mark.slow
@pytest.mark.timeout(70)
@pytest.mark.parametrize("leave", ["value", "item", ""])
def test_hundreds_of_killed_clients_cost_nothing_that_lasts(leave: str) -> None:
    ctx: Any = procession.get_context("fork")
    manager = ctx.Manager()
    pid = manager._process.pid
    shared, tasks = manager.dict(), manager.Queue()
    shared["x"] = LARGE
    at_rest = threads_and_descriptors(pid)
    used, resident = [], []
    for begin in range(0, DEATHS, AT_ONCE):
        clients = [
            ctx.Process(target=call_and_die, args=(shared, tasks, number, leave))
            for number in range(begin, begin + AT_ONCE)
        ]
        for client in clients:
            client.start()
        for client in clients:
            client.join()
            client.close()
        if (begin + AT_ONCE) % 85 == 0:
            wait_until(lambda: threads_and_descriptors(pid) <= at_rest)
            _core.reclaim_dead()
            used.append(_core.arena_usage()["used"])
            resident.append(resident_kilobytes(pid))

    # The channel of requests has one segment more at times: the next one, or one in reserve.
    assert max(used) - min(used) <= 2 * SEGMENT, used
    assert resident[-1] < resident[1] + 4096, resident
    # All that was put is there, except for what a client had got before it was killed.
    assert shared["x"] == LARGE
    assert tasks.qsize() == DEATHS
    manager.shutdown()
    manager._process.close()
