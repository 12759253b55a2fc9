"""Pipes whose users are killed at every point of the handoff buffer.

Idea: messages are numbers in a row. A receiver has the first part of the row, with nothing torn,
missing or twice; what a killed receiver had not taken, the next one with the same end gets.
"""

import mmap
import os
from collections.abc import Callable
from typing import Any

import pytest

from procession.connection import Connection, Pipe
from tests.support.kill import Child, armed, arrived, is_asleep
from tests.support.waiting import wait_until

pytestmark = [
    pytest.mark.usefixtures("sound"),
    pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor: no receiver spins"),
]

COUNT = 3000
BETWEEN_SLEEPS = 8  # messages
DUPLEX = pytest.mark.parametrize("duplex", [True, False], ids=["duplex", "one-way"])


class Count:
    """A number that one process counts up and others read."""

    def __init__(self) -> None:
        self._bytes = mmap.mmap(-1, 8)  # shared with children; one store, so never torn
        self._number = memoryview(self._bytes).cast("Q")

    def add(self) -> None:
        """One more."""
        self._number[0] += 1

    def now(self) -> int:
        """Return the number."""
        return self._number[0]


def has_ended(process: Child) -> bool:
    """Whether it has, without a wait for its exit code."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def send_in_step(
    writer: Connection, received: Count, goes_on: Callable[[], bool], first: int = 0
) -> int:
    """Send numbers, each when the one before has been received; return the next."""
    number = first
    while number < COUNT and goes_on():
        writer.send(number)
        number += 1
        while received.now() < number and goes_on():
            pass
    return number


@pytest.mark.parametrize(
    "point", ["handoff.put.claimed", "handoff.put.before_commit", "handoff.put.committed"]
)
@pytest.mark.parametrize("passage", [1, 4])
@DUPLEX
def test_a_killed_sender_has_sent_whole_messages(duplex: bool, passage: int, point: str) -> None:
    reader, writer = Pipe(duplex)
    received = Count()

    def send() -> None:
        reader.close()
        send_in_step(writer, received, lambda: True)

    sender = Child(armed(point, send, passage))
    writer.close()
    with reader, pytest.raises((EOFError, ConnectionResetError)):
        receive(reader, received)
    assert arrived(sender, point)


def receive(reader: Connection, received: Count) -> None:
    """Receive numbers in a row, for ever."""
    while True:
        assert reader.recv() == received.now()
        received.add()


def received_until_killed(point: str, passage: int, duplex: bool) -> tuple[Any, Any, int, int]:
    """Both ends, and the numbers received and sent when the receiver was killed at *point*.

    Now and then the sender waits until the receiver sleeps, so that it has spun in vain: on a busy
    machine each message may otherwise be there before the receiver looks for it.
    """
    reader, writer = Pipe(duplex)
    received = Count()
    receiver = Child(armed(point, lambda: receive(reader, received), passage))

    def goes_on() -> bool:
        if received.now() % BETWEEN_SLEEPS == 0:
            wait_until(lambda: has_ended(receiver) or is_asleep(receiver.pid))
        return not has_ended(receiver)

    sent = send_in_step(writer, received, goes_on)
    assert arrived(receiver, point)
    return reader, writer, received.now(), sent


@pytest.mark.parametrize(
    "point",
    [
        *("handoff.opened", "handoff.before_close", "handoff.closed"),
        *("handoff.take.before_commit", "handoff.take.committed"),
    ],
)
@pytest.mark.parametrize("passage", [1, 4])
@DUPLEX
def test_the_next_receiver_goes_on_where_a_killed_one_stopped(
    duplex: bool, passage: int, point: str
) -> None:
    reader, writer, received, sent = received_until_killed(point, passage, duplex)
    with reader, writer:
        writer.send("last")
        left = [reader.recv()]
        while left[-1] != "last":
            left.append(reader.recv())

        # It may have had one more than it could say.
        lost = 1 if len(left) - 1 < sent - received else 0
        assert left == [*range(received + lost, sent), "last"]
        assert not lost or point not in ("handoff.opened", "handoff.take.before_commit")
        writer.send(0)  # and the pipe is of use
        assert reader.recv() == 0


@pytest.mark.parametrize("point", ["handoff.recover.before_claim", "handoff.recover.claimed"])
@DUPLEX
def test_a_killed_receiver_that_recovers_a_message_leaves_it_for_the_next(
    duplex: bool, point: str
) -> None:
    reader, writer, received, sent = received_until_killed("handoff.take.before_commit", 2, duplex)
    with reader, writer:
        assert sent == received + 1
        assert reader.poll()

        assert arrived(Child(armed(point, reader.recv)), point)

        assert reader.poll()
        assert reader.recv() == received
        wait_until(lambda: not reader.poll())
