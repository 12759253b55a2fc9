"""A manager's socket, and bytes that no proper client would send there.

Idea: as in `test_strangers`, against a server that runs. A peer without the key is refused; a
client with the key gets a reply to each request, or the end of its connection. After each case
another client is served.
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
from tests.support.managers import resident_kilobytes, running

MOST_SENT = 300  # bytes that a peer without the key gets: a challenge, an answer, a verdict
GROWTH = 16_000  # kilobytes


@pytest.fixture
def manager() -> Iterator[Any]:
    with running(procession.get_context("fork").Manager()) as manager:
        yield manager


@contextlib.contextmanager
def unharmed(manager: Any) -> Iterator[Any]:
    """Give a list of the manager, which works before and after; nothing has grown meanwhile."""
    shared = manager.list([1])
    objects, before = manager._number_of_objects(), resident_kilobytes(manager._process.pid)
    yield shared
    assert shared[:] == [1]
    assert manager._number_of_objects() == objects
    assert resident_kilobytes(manager._process.pid) < before + GROWTH


def received_by(stranger: socket.socket) -> bytes:
    """Return what the manager sends until it ends the connection."""
    received = b""
    stranger.settimeout(10)
    with contextlib.suppress(ConnectionResetError):
        while piece := stranger.recv(1000):
            received += piece
    return received


def test_a_manager_refuses_a_peer_without_the_key(manager: Any) -> None:
    """Whatever the peer sends, and however it ends the connection."""

    @tries(1_500)
    @given(st.one_of(streams, poisoned), st.booleans())
    def play(sent: bytes, stays: bool) -> None:
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(manager.address)
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                stranger.sendall(sent)
                stranger.shutdown(socket.SHUT_WR)
            if stays:
                answer = received_by(stranger)
                assert len(answer) < MOST_SENT
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


def test_a_senseless_request_is_answered_or_ends_the_connection(manager: Any) -> None:
    """It comes from a client with the key, which gets the errors as text; no other is harmed."""

    @tries(600)
    @given(st.lists(requests.map(pickle.dumps) | st.binary(max_size=30), min_size=1, max_size=4))
    def play(messages: list[bytes]) -> None:
        guest = Client(manager.address, authkey=bytes(manager._authkey))
        with guest, contextlib.suppress(EOFError, ConnectionError):
            for message in messages:
                guest.send_bytes(message)
                if not guest.poll(0.02):
                    continue  # the request wants no reply
                assert guest.recv()[0][0] == "#"
        assert shared[0] == 1

    with unharmed(manager) as shared:
        play()
