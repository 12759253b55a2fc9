"""Thousands of killed processes cost the arena nothing that lasts."""

import os
import signal
from typing import Any

import pytest

from procession import _core
from tests.support.kill import Child, memory_in_use, memory_unchanged

DEATHS = 2000
SEGMENT = 64 * 1024  # bytes of a queue that hold records
LARGE = os.urandom(200_000)


def receive_and_die(queue: Any) -> None:
    """Hold what was received, a lock and a message under way, and be killed."""
    held = [queue.get(timeout=0), _core.Lock(), _core.Block(50_000)]
    queue.put(LARGE)
    os.kill(os.getpid(), signal.SIGKILL)
    del held


def send_and_die(queue: Any) -> None:
    """Be killed at once after a put: nobody may ever take the message."""
    queue.put([LARGE, bytearray(10_000), _core.Channel()])
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
@pytest.mark.timeout(120)
def test_two_thousand_processes_killed_with_large_messages_leave_nothing() -> None:
    """After each death and a look around, the arena holds what it held."""
    levels = set()
    with memory_unchanged():
        queue = _core.Channel()
        queue.put(LARGE)
        committed = 0
        for death in range(DEATHS):
            Child(lambda: receive_and_die(queue)).wait()
            if death % 100 == 99:
                levels.add(memory_in_use())
                committed = committed or _core.arena_usage()["committed"]
        # A queue has one segment more at times: the next one, or one that it keeps. If there is no
        # room for it, the arena grows once, by an eighth.
        assert max(levels) - min(levels) <= 2 * SEGMENT, f"it went through {sorted(levels)}"
        assert _core.arena_usage()["committed"] <= committed * 9 // 8 + 2 * SEGMENT
        queue = None


@pytest.mark.slow
@pytest.mark.timeout(60)
def test_messages_of_the_dead_that_nobody_takes_go_with_their_queue() -> None:
    """The queue is dropped with what is in it: buffers, and queues in messages."""
    with memory_unchanged():
        for _ in range(10):
            queue = _core.Channel()
            for _ in range(10):
                Child(lambda: send_and_die(queue)).wait()  # noqa: B023
            assert queue.qsize() == 10
        queue = None


@pytest.mark.slow
def test_killed_processes_are_reaped_when_another_is_started() -> None:
    """Without any call to reap(): the table's slots and the memory do not grow with the dead."""
    slots = []
    for death in range(300):
        child = Child(
            lambda: [_core.Block(100_000), os.kill(os.getpid(), signal.SIGKILL)], reclaim=False
        )
        child.wait()
        if death % 100 == 99:
            slots.append(_core.arena_usage()["slots"])
    assert slots[0] == slots[-1]
