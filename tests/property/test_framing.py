"""The format of messages against a model: what is sent, how it is cut, where it is read to."""

import contextlib
import itertools
import socket
import threading
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procession import BufferTooShort
from procession.connection import (
    Connection,
    _framing,  # type: ignore[attr-defined]
)

pytestmark = pytest.mark.bare

THRESHOLD = 20_000  # stands for 2 GiB

quick = settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
messages = st.lists(
    st.one_of(st.binary(max_size=50), st.integers(0, 60_000).map(bytes)), max_size=6
)


def frame(message: bytes) -> bytes:
    """A message as the standard library sends it, written down independently."""
    if len(message) > THRESHOLD:
        return b"\xff\xff\xff\xff" + len(message).to_bytes(8, "big") + message
    return len(message).to_bytes(4, "big") + message


@contextlib.contextmanager
def arriving(stream: bytes, cuts: list[int]) -> Any:
    """A connection on which *stream* arrives in pieces, cut at *cuts*, and then ends."""
    writer, reader = socket.socketpair()
    borders = sorted({cut % (len(stream) + 1) for cut in cuts} | {0, len(stream)})

    def write() -> None:
        with writer, contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for start, end in itertools.pairwise(borders):
                writer.sendall(stream[start:end])

    thread = threading.Thread(target=write)
    thread.start()
    try:
        with Connection(reader.detach()) as connection:
            yield connection
    finally:
        thread.join()


@pytest.fixture(autouse=True)
def small_threshold(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let long headers begin at a size that a test can send."""
    monkeypatch.setattr(_framing, "LONGEST_SHORT", THRESHOLD)


@quick
@given(messages, st.lists(st.integers(0, 200_000), max_size=4))
def test_however_the_stream_is_cut_the_messages_are_whole(
    sent: list[bytes], cuts: list[int]
) -> None:
    with arriving(b"".join(map(frame, sent)), cuts) as connection:
        for message in sent:
            assert connection.recv_bytes() == message
        with pytest.raises(EOFError):
            connection.recv_bytes()


@quick
@given(messages)
def test_what_is_written_is_what_the_model_writes(sent: list[bytes]) -> None:
    reader, writer = socket.socketpair()
    received = []
    with reader:
        thread = threading.Thread(target=lambda: received.append(reader.makefile("rb").read()))
        thread.start()
        with Connection(writer.detach()) as connection:
            for message in sent:
                connection.send_bytes(message)
        thread.join()
    # Short headers are as good for what is sent at once; both are understood.
    assert decoded(received[0]) == sent


def decoded(stream: bytes) -> list[bytes]:
    """The messages in *stream*, read by the rules of the format alone."""
    found = []
    while stream:
        size, start = int.from_bytes(stream[:4], "big", signed=True), 4
        if size == -1:
            size, start = int.from_bytes(stream[4:12], "big"), 12
            assert size > THRESHOLD
        found.append(stream[start : start + size])
        stream = stream[start + size :]
    return found


@quick
@given(messages, st.integers(0, 80_000), st.integers(0, 90_000))
def test_reading_into_a_buffer_is_reading(sent: list[bytes], offset: int, room: int) -> None:
    with arriving(b"".join(map(frame, sent)), []) as connection:
        for message in sent:
            buffer = bytearray(b"\1" * (offset + room))
            if len(message) <= room:
                assert connection.recv_bytes_into(buffer, offset) == len(message)
                assert buffer[offset : offset + len(message)] == message
                assert set(buffer[:offset] + buffer[offset + len(message) :]) <= {1}
            else:
                with pytest.raises(BufferTooShort) as caught:
                    connection.recv_bytes_into(buffer, offset)
                assert caught.value.args == (message,)
