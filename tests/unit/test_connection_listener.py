"""Listeners and clients: addresses, keys, peers that are silent, wrong or gone, and TLS."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import procession
from procession import AuthenticationError
from procession.connection import (  # type: ignore[attr-defined]
    Client,
    Connection,
    Listener,
    SocketClient,
    XmlClient,
    XmlListener,
    _handshake,
    address_type,
    answer_challenge,
    arbitrary_address,
    deliver_challenge,
    families,
)
from tests.support.connecting import FAMILIES, KEY, assert_connected, beside

pytestmark = [pytest.mark.bare, pytest.mark.usefixtures("tracker")]


@pytest.fixture(params=FAMILIES)
def listener(request: pytest.FixtureRequest) -> Iterator[Listener]:
    """A listener of each family that wants a key."""
    with Listener(family=request.param, backlog=16, authkey=KEY) as made:
        yield made


# --------------------------------------------------------------------------------------- addresses


def test_families_of_addresses_are_known_by_their_shape() -> None:
    assert set(families) == {"AF_INET", "AF_UNIX"}
    assert address_type("/some/path") == "AF_UNIX"
    assert address_type(b"\0abstract") == "AF_UNIX"
    assert address_type(("host", 5)) == "AF_INET"
    assert address_type(("::1", 5)) == "AF_INET6"
    assert address_type(("host", 5, 0, 0)) == "AF_INET6"
    assert address_type(r"\\.\pipe\name") == "AF_PIPE"
    for address, error in ((5, TypeError), (b"path", ValueError)):
        with pytest.raises(error, match="unrecognized"):
            address_type(address)


def test_unknown_families_are_refused() -> None:
    for call in (
        lambda: Listener(r"\\.\test"),
        lambda: Listener("/a/path", "AF_PIPE"),
        lambda: Client(r"\\.\test"),
        lambda: arbitrary_address("AF_PIPE"),
    ):
        with pytest.raises(ValueError, match="recogni"):
            call()


@pytest.mark.parametrize("family", FAMILIES)
def test_without_a_key_everybody_is_let_in(family: str) -> None:
    with Listener(family=family) as listener:
        assert listener.last_accepted is None
        assert_connected(Client(listener.address), listener.accept())
        assert listener.last_accepted is not None
        assert_connected(SocketClient(listener.address), listener._listener.accept())  # type: ignore


def test_an_address_is_taken_once(listener: Listener) -> None:
    with pytest.raises(OSError, match="in use"):
        Listener(listener.address)


def test_an_abstract_address_needs_no_file() -> None:
    with Listener("\0procession-test", authkey=KEY) as listener:
        assert listener.address == b"\0procession-test"
        with beside(Client, listener.address, authkey=KEY) as client:
            accepted = listener.accept(10)
        assert_connected(client.result(), accepted)


def test_a_closed_listener_says_so(listener: Listener) -> None:
    listener.close()
    listener.close()
    for call in (listener.accept, lambda: listener.address, lambda: listener.last_accepted):
        with pytest.raises(OSError, match="closed"):
            call()


def test_tcp_sends_small_messages_at_once() -> None:
    with Listener(("127.0.0.1", 0)) as listener:
        client = Client(listener.address)
        server = listener.accept()
        for end in (client, server):
            with socket.socket(fileno=os.dup(end.fileno())) as sock:
                assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert_connected(client, server)


# ------------------------------------------------------------------------------------------- keys


def test_who_has_the_key_is_let_in(listener: Listener) -> None:
    with beside(Client, listener.address, authkey=KEY) as client:
        accepted = listener.accept(10)
    assert isinstance(accepted, Connection)
    assert_connected(client.result(), accepted)


def test_an_empty_key_is_a_key() -> None:
    with Listener(authkey=b"") as listener:
        with beside(Client, listener.address, authkey=b"") as client:
            accepted = listener.accept(10)
        assert_connected(client.result(), accepted)


def test_a_wrong_key_is_an_error_at_both_ends(listener: Listener) -> None:
    wrong = beside(Client, listener.address, authkey=b"wrong")
    with wrong as client, pytest.raises(AuthenticationError, match="another authkey"):
        listener.accept(10)
    assert isinstance(client.exception(), AuthenticationError)
    assert listener.last_accepted is not None
    test_who_has_the_key_is_let_in(listener)


def test_keys_are_bytes() -> None:
    with pytest.raises(TypeError, match="byte string"):
        Listener(authkey="text")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="byte string"):
        Client("/nowhere", authkey="text")  # type: ignore[arg-type]
    for challenge in (deliver_challenge, answer_challenge):
        with pytest.raises(ValueError, match="must be bytes"):
            challenge(None, "text")  # type: ignore[arg-type]


@pytest.mark.parametrize("digest", ["md5", "sha256", "sha384", "sha3_256", "sha3_384"])
def test_every_digest_of_the_standard_library_is_spoken(digest: str) -> None:
    here, there = procession.Pipe()
    with here, there:
        with beside(answer_challenge, there, KEY) as answer:
            deliver_challenge(here, KEY, digest)
        answer.result()
        wrong = beside(answer_challenge, there, b"wrong")
        with wrong as answer, pytest.raises(AuthenticationError):
            deliver_challenge(here, KEY, digest)
        assert isinstance(answer.exception(), AuthenticationError)


@pytest.mark.parametrize(
    "sent",
    [b"GET / HTTP/1.1\r\n\r\n", b"\0\0\1\1" + b"x" * 257, b"\xff" * 12, b"\0\0\0\4{no}", b"\0" * 4],
    ids=["http", "too long", "much too long", "unknown digest", "empty"],
)
def test_rubbish_is_refused_before_it_is_stored(listener: Listener, sent: bytes) -> None:
    with SocketClient(listener.address) as stranger:
        os.write(stranger.fileno(), sent)
        with pytest.raises(AuthenticationError):
            listener.accept(10)


# ----------------------------------------------------------------------------------------- clients


def test_a_client_without_a_listener_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Client(str(tmp_path / "no-listener"))
    with Listener(("127.0.0.1", 0)) as listener:
        address = listener.address
    with pytest.raises(ConnectionRefusedError):
        Client(address, timeout=5)


def test_a_client_waits_for_accept_as_long_as_it_is_told(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = time.monotonic()
    with pytest.raises(TimeoutError):
        Client(listener.address, authkey=KEY, timeout=0.1)
    assert time.monotonic() - start >= 0.1
    monkeypatch.setattr(_handshake, "HANDSHAKE_TIMEOUT_S", 0.05)
    with beside(Client, listener.address, authkey=KEY) as client:
        with pytest.raises(TimeoutError):
            client.exception(0.3)  # a listener may be late
        accepted = listener.accept(5)
    assert_connected(client.result(), accepted)


def test_a_listener_that_falls_silent_in_mid_handshake_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(_handshake, "HANDSHAKE_TIMEOUT_S", 0.05)
    with (
        Listener() as silent,
        beside(Client, silent.address, authkey=KEY) as client,
        silent.accept() as accepted,
    ):
        os.write(accepted.fileno(), b"\0")
        assert isinstance(client.exception(5), TimeoutError)


def test_a_client_stops_waiting_for_a_place_in_the_queue() -> None:
    with Listener(backlog=0) as listener, Client(listener.address):  # the client fills the queue
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            Client(listener.address, timeout=0.1)
        assert time.monotonic() - start >= 0.1


def test_a_listener_that_closes_is_the_end() -> None:
    with Listener() as listener, beside(Client, listener.address, authkey=KEY) as client:
        listener.accept().close()
        assert isinstance(client.exception(10), EOFError | ConnectionResetError)


def test_xml_values_are_sent_without_pickle() -> None:
    with XmlListener() as listener, beside(XmlClient, listener.address) as client:
        server: Any = listener.accept(5)
        with contextlib.closing(server), contextlib.closing(client.result()) as end:
            end.send({"a": [1, None, "text"]})
            assert server.poll(5)
            assert server.recv() == {"a": [1, None, "text"]}
