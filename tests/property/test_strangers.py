"""Bytes that no honest peer would send: to listeners, to clients, to connections.

Idea: a handshake never waits, so a stranger can be played by the same thread, step by step; a case
takes a millisecond. How often each claim is tried is chosen so that all together are well over ten
thousand.
"""

import contextlib
import itertools
import os
import pickle
import socket
import ssl
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procession import AuthenticationError
from procession._base.deadline import Deadline
from procession.connection import Connection, Listener, Pipe, SocketClient, _auth, _handshake  # type: ignore[attr-defined] # type: ignore[attr-defined]
from procession.connection._listener import make_link
from tests.support.connecting import server_context

pytestmark = [pytest.mark.bare, pytest.mark.usefixtures("tracker")]

KEY = b"a key that no stranger guesses"

# Bytes. For one stranger: a message of the handshake, and the objects of a connection. For all the
# cases of a test: what hypothesis remembers of them, and far less than what the cases announce.
FOR_A_STRANGER, FOR_ALL = 100_000, 64_000_000


def tries(count: int) -> settings:
    return settings(max_examples=count, deadline=None)


def frame(message: bytes) -> bytes:
    return len(message).to_bytes(4, "big") + message


def header(size: int) -> bytes:
    """What announces a message of *size* bytes, which may be none that can be."""
    if -(2**31) <= size < 2**31:
        return size.to_bytes(4, "big", signed=True)
    return b"\xff\xff\xff\xff" + (size % 2**64).to_bytes(8, "big")


WORDS = (
    b"#CHALLENGE#{sha256}",
    b"#CHALLENGE#",
    b"#WELCOME#",
    b"#FAILURE#",
    b"{md5}",
    b"{no}",
    b"{",
)
SIZES = (0, 20, 256, 257, 2**31 - 1, -1, -(2**31), 2**31, 2**63 - 1, 2**63, 2**64 - 1)


def stream(program: bytes) -> bytes:
    """What a stranger says, by a program of bytes; so that hypothesis has one thing to think of.

    Each step takes a byte that says what comes: frames, frames that begin with the right words,
    headers of any size, or bytes as they are; and then some bytes for it.
    """
    said = b""
    while program:
        step, size, rest = program[0], program[0] >> 3, program[1:]
        data, program = rest[:size], rest[size:]
        match step & 7:
            case 0 | 1:
                said += data
            case 2:
                said += frame(data)
            case 3 | 4:
                said += frame(WORDS[size % len(WORDS)] + data)
            case 5:
                said += header(SIZES[size % len(SIZES)]) + data
            case 6:
                said += header(int.from_bytes(data[:8], "big", signed=True)) + data[8:]
            case _:
                said += frame(data * 12)
    return said


streams = st.binary(max_size=120).map(stream)


class Poison:
    """Unpickling it is the failure of the test."""

    def __reduce__(self) -> tuple[Any, ...]:
        return pytest.fail, ("a stranger's pickle was loaded",)


poisoned = st.just(frame(pickle.dumps(Poison())))


@contextlib.contextmanager
def little_memory() -> Iterator[None]:
    """Fail if this process meanwhile needs more memory than all cases together are worth."""
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _peak()
    yield
    assert _peak() - before < FOR_ALL


def _peak() -> int:
    """The most memory that this process had, in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM:")) * 1024


def _listener(**kwargs: Any) -> Listener:
    return Listener("\0procession-strangers-" + os.urandom(8).hex(), backlog=8, **kwargs)


def refused(listener: Listener) -> bool:
    """Return whether the one peer, which is gone, was refused; else it was disconnected."""
    found = False
    for _ in range(2):
        with contextlib.suppress(TimeoutError):
            try:
                listener.accept(0).close()
            except AuthenticationError:
                found = True
            else:
                pytest.fail("a stranger was let in")
    assert not listener._acceptor._peers
    return found


# -------------------------------------------------------------------------------- at the listener


def test_no_stranger_is_let_in() -> None:
    """Whatever it sends and however it ends: the listener goes on, nothing is unpickled."""

    @tries(2_500)
    @given(st.one_of(streams, poisoned), st.booleans())
    def play(said: bytes, stays: bool) -> None:
        with SocketClient(listener.address) as stranger:
            if stays:
                with contextlib.suppress(TimeoutError, AuthenticationError):
                    listener.accept(0).close()
                    pytest.fail("a stranger was let in")
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                os.write(stranger.fileno(), said)
            stranger.close()
            refused(listener)

    with _listener(authkey=KEY) as listener, little_memory():
        play()


@pytest.mark.parametrize("size", [257, 65_536, 2**31 - 1, -1, -(2**31)])
def test_a_stranger_announces_what_he_likes(size: int) -> None:
    """It is refused at the announcement; no memory is allocated for what that claims."""
    announced = size.to_bytes(4, "big", signed=True) + b"\x7f" + b"\xff" * 7
    with _listener(authkey=KEY) as listener, SocketClient(listener.address) as stranger:
        os.write(stranger.fileno(), announced)
        tracemalloc.start()
        try:
            with pytest.raises(AuthenticationError, match="at most 256"):
                listener.accept(10)
            assert tracemalloc.get_traced_memory()[1] < FOR_A_STRANGER
        finally:
            tracemalloc.stop()


class Guest:
    """The client's side of a handshake, message by message, with the right key."""

    def __init__(self, connection: Connection):
        self._connection = connection
        self._steps = _auth.both_steps(KEY, asks_first=False)
        self._next = next(self._steps)

    def say(self) -> bytes | None:
        """What is to be sent now, after reading what has come; None if there is nothing."""
        while self._next is None and self._connection.poll(0):
            self._next = self._steps.send(self._connection.recv_bytes())
        message = self._next
        if message is not None:
            self._next = next(self._steps, b"")
        return message or None


def try_to_accept(listener: Listener) -> Connection | None:
    with contextlib.suppress(TimeoutError):
        return listener.accept(0)  # type: ignore[no-any-return]
    return None


MESSAGES_OF_A_CLIENT = 3  # an answer, a challenge, a verdict


def converse(listener: Listener, spoil: Callable[[int, bytes], list[bytes]]) -> Connection | None:
    """Play a client that has the key, with frames replaced by *spoil*; return what was accepted."""
    with SocketClient(listener.address) as client:
        guest = Guest(client)
        for number in range(MESSAGES_OF_A_CLIENT):
            assert try_to_accept(listener) is None
            message = guest.say()
            if message is None:
                break  # the listener waits for the rest of what was spoiled
            accepted = None
            for piece in spoil(number, frame(message)):
                assert accepted is None
                os.write(client.fileno(), piece)
                accepted = try_to_accept(listener)
        return accepted


def test_a_guest_may_speak_in_pieces() -> None:
    """Which shows that the test below plays a client that would be accepted."""

    @tries(200)
    @given(st.lists(st.integers(1, 100), max_size=5))
    def play(cuts: list[int]) -> None:
        def cut(_: int, whole: bytes) -> list[bytes]:
            places = sorted({0, *(cut for cut in cuts if cut < len(whole)), len(whole)})
            return [whole[start:stop] for start, stop in itertools.pairwise(places)]

        accepted = converse(listener, cut)
        assert accepted is not None
        accepted.close()

    with _listener(authkey=KEY) as listener:
        play()


def test_one_wrong_byte_keeps_him_out() -> None:
    """In a handshake that is otherwise right: a changed byte, a missing end, a byte too many."""

    @tries(1_500)
    @given(
        st.integers(0, MESSAGES_OF_A_CLIENT - 1),
        st.integers(0, 200),
        st.integers(1, 255),
        st.sampled_from(["change", "cut", "insert"]),
    )
    def play(number: int, place: int, value: int, how: str) -> None:
        def spoil(which: int, whole: bytes) -> list[bytes]:
            if which != number:
                return [whole]
            at = place % len(whole)
            if how == "cut":
                return [whole[:at]]
            if how == "insert":
                return [whole[:at] + bytes([value]) + whole[at:]]
            return [whole[:at] + bytes([whole[at] ^ value]) + whole[at + 1 :]]

        accepted = None
        # Either side sees it, or the client was disconnected and notices.
        with contextlib.suppress(AuthenticationError, BrokenPipeError, ConnectionResetError):
            accepted = converse(listener, spoil)
        assert accepted is None
        refused(listener)

    with _listener(authkey=KEY) as listener, little_memory():
        play()


def test_no_stranger_gets_through_tls() -> None:
    """Rubbish, and the beginnings of a handshake of TLS that end in rubbish."""
    hello = _client_hello()

    @tries(400)
    @given(st.one_of(streams, st.builds(_altered, st.just(hello), st.integers(0, 600), streams)))
    def play(said: bytes) -> None:
        with SocketClient(listener.address) as stranger:
            os.write(stranger.fileno(), said)
            stranger.close()
            refused(listener)

    with _listener(authkey=KEY, ssl_context=server_context()) as listener, little_memory():
        play()


def _client_hello() -> bytes:
    """What a client of TLS says first."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def _altered(hello: bytes, place: int, said: bytes) -> bytes:
    return hello[:place] + said + hello[place + len(said) // 2 :]


# ---------------------------------------------------------------------------------- at the client


def test_no_false_listener_gets_anything_from_a_client() -> None:
    """But the answer to a challenge, and a challenge."""

    @tries(2_500)
    @given(st.one_of(streams, poisoned))
    def play(said: bytes) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.sendall(said)
            theirs.shutdown(socket.SHUT_WR)
            link = make_link(ours, None, server_side=False)
            handshake = _handshake.Handshake(link, KEY, as_listener=False)
            with pytest.raises((AuthenticationError, EOFError, OSError)):
                _handshake.complete(handshake, Deadline(10))
            assert ours.fileno() == -1
            theirs.setblocking(False)
            with contextlib.suppress(BlockingIOError, ConnectionResetError):
                assert len(theirs.recv(100_000)) < 300

    with little_memory():
        play()


# ----------------------------------------------------------------------------- at any connection


def repeat(function: Callable[[], object]) -> None:
    while True:
        function()


@pytest.mark.parametrize("into", [False, True])
def test_any_bytes_give_messages_or_one_clean_error(into: bool) -> None:
    """A length is believed as far as bytes come, and memory is taken as they come."""

    @tries(750)
    @given(streams)
    def play(said: bytes) -> None:
        receiver, sender = Pipe(duplex=False)
        with receiver:
            with sender:
                os.write(sender.fileno(), said)
            received = []

            def receive() -> None:
                received.append(receiver.recv_bytes_into(target) if into else receiver.recv_bytes())

            with pytest.raises((EOFError, OSError, MemoryError)):
                repeat(receive)
            assert len(received) <= len(said) // 4

    target = bytearray(100_000)
    with little_memory():
        play()


def test_any_pickle_gives_an_object_or_an_error() -> None:
    """What unpickling raises comes to the receiver, and the next message is whole."""

    @tries(500)
    @given(st.binary(max_size=40))
    def play(data: bytes) -> None:
        sender.send_bytes(b"\x80\x04" + data)
        sender.send("next")
        with contextlib.suppress(Exception):
            receiver.recv()
        assert receiver.recv() == "next"

    receiver, sender = Pipe()
    with receiver, sender:
        play()
