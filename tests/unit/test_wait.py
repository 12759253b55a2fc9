"""Waiting for many things at once."""

import os
import signal
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from procession.connection import Connection, Pipe, wait

pytestmark = pytest.mark.bare


@pytest.fixture
def pipes() -> Iterator[list[tuple[Connection, Connection]]]:
    """Three pipes: (receiver, sender) each."""
    pairs = [Pipe(duplex=False) for _ in range(3)]
    yield pairs
    for receiver, sender in pairs:
        receiver.close()
        sender.close()


def test_the_ready_ones_come_in_the_order_given(pipes: Any) -> None:
    receivers = [receiver for receiver, _ in pipes]
    assert wait(receivers, 0) == []
    pipes[2][1].send(1)
    pipes[0][1].send(1)
    assert wait(receivers) == [receivers[0], receivers[2]]
    assert wait(reversed(receivers)) == [receivers[2], receivers[0]]


def test_the_end_of_a_stream_is_ready(pipes: Any) -> None:
    receiver, sender = pipes[0]
    sender.close()
    assert wait([receiver], None) == [receiver]


def test_descriptors_sockets_and_connections_mix(pipes: Any) -> None:
    one, other = socket.socketpair()
    reader, writer = os.pipe()
    try:
        other.send(b"x")
        os.write(writer, b"x")
        assert wait([pipes[0][0], one, reader], 1) == [one, reader]
    finally:
        one.close()
        other.close()
        os.close(reader)
        os.close(writer)


def test_it_waits_as_long_as_it_is_told_and_not_shorter(pipes: Any) -> None:
    for objects in ([pipes[0][0]], []):
        start = time.monotonic()
        assert wait(objects, 0.05) == []
        assert time.monotonic() - start >= 0.05
    assert wait([pipes[0][0]], -1) == []


def test_signals_do_not_shorten_it(pipes: Any) -> None:
    before = signal.signal(signal.SIGALRM, lambda *args: None)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        start = time.monotonic()
        assert wait([pipes[0][0]], 0.1) == []
        assert time.monotonic() - start >= 0.1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_what_cannot_be_waited_for_is_refused(pipes: Any) -> None:
    receiver = pipes[0][0]
    with pytest.raises(KeyError, match="twice"):
        wait([receiver, receiver], 0)
    with pytest.raises(ValueError, match="no descriptor"):
        wait(["text"], 0)
    with pytest.raises(ValueError, match="invalid descriptor"):
        wait([-1], 0)
    with pytest.raises(OSError, match="not open"):
        wait([44_977_608], 0)
    receiver.close()
    with pytest.raises(OSError, match="handle is closed"):
        wait([receiver], 0)


def test_descriptors_beyond_those_of_select(pipes: Any) -> None:
    receiver, sender = pipes[0]
    high = Connection(os.dup(receiver.fileno()), writable=False)
    os.dup2(receiver.fileno(), 1500, inheritable=False)
    with high, Connection(1500, writable=False) as higher:
        sender.send(1)
        assert wait([higher], 0) == [higher]


# ------------------------------------------------------------- objects that say themselves if ready


class Wakeup:
    """A descriptor that several objects share."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)

    def set(self) -> None:
        os.write(self.writer, b"!")

    def clear(self) -> None:
        try:
            os.read(self.reader, 100)
        except BlockingIOError:
            return

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


class Mailbox:
    """An object that is ready by its own state; its wake-up only says that something changed."""

    def __init__(self, wakeup: Wakeup):
        self.wakeup = wakeup
        self.full = False
        self.open_waits = 0

    def _wait_source(self) -> "Mailbox":
        self.open_waits += 1
        return self

    def fileno(self) -> int:
        return self.wakeup.reader

    def ready(self) -> bool:
        self.wakeup.clear()
        return self.full

    def done(self) -> None:
        self.open_waits -= 1


@pytest.fixture
def boxes() -> Iterator[tuple[Mailbox, Mailbox]]:
    """Two mailboxes with one wake-up."""
    wakeup = Wakeup()
    first, second = Mailbox(wakeup), Mailbox(wakeup)
    yield first, second
    assert first.open_waits == second.open_waits == 0
    wakeup.close()


def test_an_object_may_be_ready_before_its_descriptor(boxes: Any, pipes: Any) -> None:
    boxes[1].full = True
    assert wait(boxes) == [boxes[1]]
    pipes[0][1].send(1)
    assert wait([boxes[1], pipes[1][0], pipes[0][0], boxes[0]]) == [boxes[1], pipes[0][0]]


def test_a_wake_up_for_another_object_ends_no_wait(boxes: Any, pipes: Any) -> None:
    boxes[0].wakeup.set()
    start = time.monotonic()
    assert wait([*boxes, pipes[0][0]], 0.05) == []
    assert time.monotonic() - start >= 0.05


def test_a_wake_up_during_the_wait_ends_it(boxes: Any, pipes: Any) -> None:
    def fill(*args: object) -> None:
        boxes[1].full = True
        boxes[1].wakeup.set()

    before = signal.signal(signal.SIGALRM, fill)
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    try:
        assert wait([pipes[0][0], *boxes]) == [boxes[1]]
    finally:
        signal.signal(signal.SIGALRM, before)


def test_descriptors_are_seen_beside_wake_ups(boxes: Any, pipes: Any) -> None:
    pipes[1][1].send(1)
    assert wait([*boxes, pipes[0][0], pipes[1][0]]) == [pipes[1][0]]
    with pytest.raises(KeyError):
        wait([boxes[0], boxes[0]], 0)
