"""A manager's socket, and bytes that nobody who means well would send there.

Idea: as in `test_strangers`, against a server that runs: whoever does not know the key is not let
in, and who knows it gets an answer to whatever he asks, or the end of his connection. After each
case somebody else is served.
"""

import contextlib
import pickle
import socket
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import procession
from procession import AuthenticationError
from procession.connection import Client
from tests.property.test_strangers import poisoned, streams, tries

MOST_SAID = 300  # bytes that a stranger is told: a challenge, an answer, a verdict
GROWTH = 16_000  # kilobytes


@pytest.fixture
def manager() -> Iterator[Any]:
    made: Any = procession.get_context("fork").Manager()
    yield made
    made.shutdown()
    made._process.close()


def resident_kilobytes(pid: int) -> int:
    with open(f"/proc/{pid}/status") as lines:
        return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))


@contextlib.contextmanager
def unharmed(manager: Any) -> Iterator[Any]:
    """A list of the manager, which is served before and after; nothing has grown meanwhile."""
    shared = manager.list([1])
    objects, before = manager._number_of_objects(), resident_kilobytes(manager._process.pid)
    yield shared
    assert shared[:] == [1]
    assert manager._number_of_objects() == objects
    assert resident_kilobytes(manager._process.pid) < before + GROWTH


def told(stranger: socket.socket) -> bytes:
    """What the manager says until it ends the connection."""
    said = b""
    stranger.settimeout(10)
    with contextlib.suppress(ConnectionResetError):
        while piece := stranger.recv(1000):
            said += piece
    return said


def test_no_stranger_is_let_in_by_a_manager(manager: Any) -> None:
    """Whatever he says and however he leaves."""

    @tries(1_500)
    @given(st.one_of(streams, poisoned), st.booleans())
    def play(said: bytes, stays: bool) -> None:
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(manager.address)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                stranger.sendall(said)
                stranger.shutdown(socket.SHUT_WR)
            if stays:
                answer = told(stranger)
                assert len(answer) < MOST_SAID
                assert b"#RETURN" not in answer
        assert shared[0] == 1

    with unharmed(manager) as shared:
        play()


def test_no_wrong_key_opens_a_manager(manager: Any) -> None:
    right = bytes(manager._authkey)

    @tries(200)
    @given(st.one_of(st.binary(max_size=40), st.just(right + b"x"), st.just(right[:-1])))
    def play(key: bytes) -> None:
        with pytest.raises(AuthenticationError):
            Client(manager.address, authkey=key)
        assert shared[0] == 1

    with unharmed(manager) as shared:
        play()


words = st.one_of(
    st.none(),
    st.integers(),
    st.text(max_size=20),
    st.just(("procession/1", "number", 1, "name")),
    st.sampled_from(
        ["accept_connection", "create", "open_channel", "fetch", "release", "incref", "lease"]
    ),
    st.sampled_from(["get_methods", "list", "__class__", "append", "goodbye", "#GETVALUE"]),
)
requests = st.one_of(
    words,
    st.tuples(words, words, st.lists(words, max_size=3).map(tuple), st.just({})),
    st.tuples(words, words, words, words),
)


def test_nonsense_from_one_with_the_key_is_answered_or_ends_his_connection(manager: Any) -> None:
    """He harms nobody else, and gets the errors as text."""

    @tries(600)
    @given(st.lists(requests.map(pickle.dumps) | st.binary(max_size=30), min_size=1, max_size=4))
    def play(messages: list[bytes]) -> None:
        guest = Client(manager.address, authkey=bytes(manager._authkey))
        with guest, contextlib.suppress(EOFError, ConnectionError):
            for message in messages:
                guest.send_bytes(message)
                if not guest.poll(0.02):
                    continue  # of what wants no answer
                assert guest.recv()[0][0] == "#"
        assert shared[0] == 1

    with unharmed(manager) as shared:
        play()
