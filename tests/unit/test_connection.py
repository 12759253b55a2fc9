"""Connections: messages, their limits, the end of the stream, and what interrupts them."""

import array
import contextlib
import errno
import os
import select
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from procession import BufferTooShort
from procession.connection import Connection, Pipe, _framing  # type: ignore[attr-defined]
from tests.support.waiting import wait_until

pytestmark = pytest.mark.bare

Ends = tuple[Connection, Connection]


@pytest.fixture(params=[True, False], ids=["duplex", "one-way"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """The receiving and the sending end of each kind of pipe."""
    receiver, sender = Pipe(request.param)
    with receiver, sender:
        yield receiver, sender


@contextlib.contextmanager
def in_thread(function: Any, *args: Any) -> Iterator[None]:
    """Run *function* beside the body, and wait for its end."""
    thread = threading.Thread(target=function, args=args)
    thread.start()
    try:
        yield
    finally:
        thread.join()


@contextlib.contextmanager
def alarm(handler: Any, seconds: float) -> Iterator[None]:
    """Have *handler* run by a signal in *seconds*."""
    before = signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# ---------------------------------------------------------------------------------------- messages


@pytest.mark.parametrize("obj", [None, 5, "text", b"", {"a": [1, 2.5]}, b"x" * 100_000])
def test_what_is_sent_is_received(ends: Ends, obj: Any) -> None:
    receiver, sender = ends
    with in_thread(sender.send, obj):
        assert receiver.recv() == obj


@pytest.mark.parametrize("size", [0, 1, 16384, 16385, 32768, 32769, 65536, 3_000_000])
def test_a_message_of_any_size_arrives_whole_and_alone(ends: Ends, size: int) -> None:
    receiver, sender = ends
    message = os.urandom(size)

    with in_thread(lambda: (sender.send_bytes(message), sender.send_bytes(b"next"))):
        assert receiver.recv_bytes() == message
        assert receiver.recv_bytes() == b"next"


def test_the_parts_of_a_buffer_are_chosen_by_bytes(ends: Ends) -> None:
    receiver, sender = ends
    numbers = array.array("i", range(4))
    for arguments, expected in [
        ((4,), numbers.tobytes()[4:]),
        ((4, 8), numbers.tobytes()[4:12]),
        ((16,), b""),
        ((0, 0), b""),
    ]:
        sender.send_bytes(numbers, *arguments)
        assert receiver.recv_bytes() == expected


@pytest.mark.parametrize("arguments", [(-1,), (27,), (0, 27), (22, 5), (0, -1), (26, 1)])
def test_parts_outside_of_the_buffer_are_refused(ends: Ends, arguments: Any) -> None:
    with pytest.raises(ValueError):
        ends[1].send_bytes(bytes(26), *arguments)


def test_a_message_is_read_into_the_callers_buffer(ends: Ends) -> None:
    receiver, sender = ends
    numbers = array.array("i", [0] * 5)
    sender.send_bytes(array.array("i", [7, 8]))

    assert receiver.recv_bytes_into(numbers, 4) == 8

    assert list(numbers) == [0, 7, 8, 0, 0]


def test_a_buffer_that_is_too_short_costs_nothing(ends: Ends) -> None:
    receiver, sender = ends
    sender.send_bytes(b"a long message")
    sender.send_bytes(b"next")

    with pytest.raises(BufferTooShort) as caught:
        receiver.recv_bytes_into(bytearray(5))

    assert caught.value.args == (b"a long message",)
    assert receiver.recv_bytes() == b"next"


def test_a_wrong_buffer_is_refused_before_a_message_is_taken(ends: Ends) -> None:
    receiver, sender = ends
    sender.send_bytes(b"kept")
    with pytest.raises(TypeError):
        receiver.recv_bytes_into(b"cannot be written to")
    with pytest.raises(ValueError, match="negative"):
        receiver.recv_bytes_into(bytearray(9), -1)
    with pytest.raises(ValueError, match="too large"):
        receiver.recv_bytes_into(bytearray(9), 10)
    assert receiver.recv_bytes() == b"kept"


def test_many_large_parts_of_one_object_arrive(ends: Ends) -> None:
    """More parts than one writev(2) takes."""
    receiver, sender = ends
    parts = [bytes([i % 256]) * 70_000 for i in range(600)]
    with in_thread(sender.send, parts):
        assert receiver.recv() == parts


def test_long_messages_have_a_long_header(ends: Ends, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond 2 GiB in the world is beyond 20,000 bytes in this test."""
    receiver, sender = ends
    monkeypatch.setattr(_framing, "LONGEST_SHORT", 20_000)
    message = os.urandom(20_001)

    sender.send_bytes(message)
    sender.send_bytes(message)

    assert receiver.recv_bytes() == message
    assert os.read(receiver.fileno(), 12) == b"\xff\xff\xff\xff" + (20_001).to_bytes(8, "big")
    assert os.read(receiver.fileno(), 30_000) == message


@pytest.mark.parametrize("header", [b"\xff\xff\xff\xfe", b"\xff\xff\xff\xff" + b"\xff" * 8])
def test_an_impossible_length_ends_reading_but_not_writing(header: bytes) -> None:
    receiver, sender = Pipe()
    with receiver, sender:
        os.write(sender.fileno(), header)
        with pytest.raises(OSError, match="bad message length"):
            receiver.recv()
        with pytest.raises(OSError, match="lost its place"):
            receiver.recv()
        receiver.send("an answer")
        assert sender.recv() == "an answer"


def test_a_message_over_the_limit_is_not_read(ends: Ends) -> None:
    receiver, sender = ends
    sender.send_bytes(b"short")
    sender.send_bytes(b"longer than that")
    assert receiver.recv_bytes(5) == b"short"
    with pytest.raises(OSError, match="16 bytes where 5 are allowed"):
        receiver.recv_bytes(5)
    assert receiver.closed or not receiver.readable
    with pytest.raises(ValueError, match="negative"):
        Pipe()[0].recv_bytes(-1)


def test_what_cannot_be_pickled_is_named_and_nothing_is_sent(ends: Ends) -> None:
    receiver, sender = ends
    with pytest.raises(TypeError, match=r"obj\['a'\]\[1\]"):
        sender.send({"a": [1, threading.Lock()]})
    assert not receiver.poll()


# ------------------------------------------------------------------------------ directions, the end


def test_a_one_way_pipe_goes_one_way() -> None:
    receiver, sender = Pipe(duplex=False)
    with receiver, sender:
        assert (receiver.readable, receiver.writable) == (True, False)
        assert (sender.readable, sender.writable) == (False, True)
        with pytest.raises(OSError, match="read-only"):
            receiver.send(1)
        for call in (sender.recv, sender.recv_bytes, sender.poll):
            with pytest.raises(OSError, match="write-only"):
                call()


def test_the_end_comes_after_the_last_message(ends: Ends) -> None:
    receiver, sender = ends
    sender.send(1)
    sender.close()
    assert receiver.recv() == 1
    assert receiver.poll(None)
    for _ in range(2):
        with pytest.raises(EOFError):
            receiver.recv()


@pytest.mark.parametrize("start", [b"\0\0", b"\0\0\0\5", b"\0\0\0\5ab", b"\xff\xff\xff\xff\0"])
def test_the_end_inside_of_a_message_is_an_error_of_its_own(ends: Ends, start: bytes) -> None:
    receiver, sender = ends
    os.write(sender.fileno(), start)
    sender.close()
    with pytest.raises(OSError, match="end of file during message"):
        receiver.recv()


def test_sending_without_a_receiver_is_a_broken_pipe(ends: Ends) -> None:
    receiver, sender = ends
    receiver.close()
    for size in (5, 1_000_000):
        with pytest.raises(BrokenPipeError):
            Connection(os.dup(sender.fileno())).send_bytes(bytes(size))


def test_a_closed_connection_says_so() -> None:
    one, other = Pipe()
    with one, other:
        assert not one.closed
        number = one.fileno()
    assert one.closed
    one.close()
    for call in (one.recv, one.recv_bytes, one.poll, one.fileno, lambda: one.send(1)):
        with pytest.raises(OSError, match="handle is closed"):
            call()
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        os.fstat(number)


def test_a_connection_closes_with_its_last_reference() -> None:
    one, other = Pipe()
    with one:
        del other
        with pytest.raises(EOFError):
            one.recv()


def test_a_repr_tells_direction_and_state() -> None:
    receiver, sender = Pipe(duplex=False)
    with receiver, sender:
        assert repr(receiver) == f"<Connection read-only, handle {receiver.fileno()}>"
    assert repr(sender) == "<Connection write-only, closed>"


@pytest.mark.parametrize(
    ("arguments", "error"),
    [((-1,), ValueError), ((0, False, False), ValueError), (("0",), AttributeError)],
)
def test_a_connection_needs_a_handle_and_a_direction(arguments: Any, error: Any) -> None:
    with pytest.raises(error):
        Connection(*arguments)


def test_a_handle_that_is_not_open_is_an_error() -> None:
    connection = Connection(44_977_608)
    with pytest.raises(OSError, match=os.strerror(errno.EBADF)):
        connection.poll()
    connection._handle = None


# ------------------------------------------------------------------------------------------ waiting


def test_poll_waits_as_long_as_it_is_told_and_not_shorter(ends: Ends) -> None:
    receiver, sender = ends
    start = time.monotonic()
    assert not receiver.poll(0.05)
    assert time.monotonic() - start >= 0.05
    assert not receiver.poll(-1)
    sender.send_bytes(b"")
    assert receiver.poll()
    assert receiver.poll(None)


def test_the_descriptor_shows_exactly_what_is_left_to_receive(ends: Ends) -> None:
    """Nothing is read ahead: a selector never sleeps over a message."""
    receiver, sender = ends
    for i in range(3):
        sender.send(i)
    for i in range(3):
        assert select.select([receiver], [], [], 0)[0] == [receiver]
        assert receiver.recv() == i
    assert select.select([receiver], [], [], 0)[0] == []


def test_a_signal_does_not_shorten_a_wait(ends: Ends) -> None:
    receiver, sender = ends
    rung = []

    def ring(*args: object) -> None:
        rung.append(args)
        if len(rung) == 3:
            sender.send("after three signals")

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
    try:
        assert receiver.recv() == "after three signals"
        start = time.monotonic()
        assert not receiver.poll(0.1)
        assert time.monotonic() - start >= 0.1
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


class Interrupt(Exception):
    """Raised by a signal handler."""


def interrupt(*args: object) -> None:
    raise Interrupt


def test_an_interrupted_wait_can_be_taken_up_again(ends: Ends) -> None:
    receiver, sender = ends
    with alarm(interrupt, 0.02), pytest.raises(Interrupt):
        receiver.recv()
    sender.send("whole")
    assert receiver.recv() == "whole"


@pytest.mark.parametrize("size", [100, 1_000_000])
def test_after_half_a_message_nothing_is_taken_for_a_message(ends: Ends, size: int) -> None:
    receiver, sender = ends
    os.write(sender.fileno(), size.to_bytes(4, "big") + b"half")

    with alarm(interrupt, 0.02), pytest.raises(Interrupt):
        receiver.recv_bytes()

    os.write(sender.fileno(), b"\0\0\0\1?")
    with pytest.raises(OSError, match="lost its place: Interrupt"):
        receiver.recv_bytes()


def test_half_a_message_is_not_followed_by_another(ends: Ends) -> None:
    receiver, sender = ends
    with alarm(interrupt, 0.05), pytest.raises(Interrupt):
        sender.send_bytes(bytes(10_000_000))  # no process reads
    assert sender.closed
    with pytest.raises(OSError, match="end of file during message"):
        receiver.recv_bytes()


def test_a_message_once_begun_is_finished_without_blocking_mode(ends: Ends) -> None:
    receiver, sender = ends
    for end in ends:
        os.set_blocking(end.fileno(), False)
    with pytest.raises(BlockingIOError):
        receiver.recv()
    message = os.urandom(2_000_000)

    with in_thread(sender.send_bytes, message):
        wait_until(receiver.poll)
        assert receiver.recv_bytes() == message

    os.write(sender.fileno(), b"\0\0\0\2a")
    with in_thread(lambda: os.write(sender.fileno(), b"b")):
        assert receiver.recv_bytes() == b"ab"


def test_a_full_pipe_without_blocking_mode_takes_nothing_of_a_message(ends: Ends) -> None:
    _, sender = ends
    os.set_blocking(sender.fileno(), False)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(sender.fileno(), bytes(4096))
    with pytest.raises(BlockingIOError):
        sender.send_bytes(b"x" * 20_000)
    assert not sender.closed
