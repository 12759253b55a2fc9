"""Connections through TLS."""

import contextlib
import os
import ssl
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pytest

import procession
from procession import AuthenticationError
from procession.connection import Client, Connection, Listener, SocketClient, _handshake, wait  # type: ignore[attr-defined]
from procession.connection import _framing as wire  # type: ignore[attr-defined]
from tests.support.connecting import (
    KEY,
    assert_connected,
    beside,
    client_context,
    server_context,
)

pytestmark = [pytest.mark.bare, pytest.mark.usefixtures("tracker")]


@pytest.fixture
def secure() -> Iterator[Listener]:
    """A listener that wants TLS and a key."""
    with Listener(("localhost", 0), authkey=KEY, ssl_context=server_context()) as made:
        yield made


def secure_client(listener: Listener, **kwargs: Any) -> Any:
    address = ("localhost", listener.address[1])
    return Client(address, authkey=KEY, ssl_context=client_context(), **kwargs)


def test_messages_go_through_tls(secure: Listener) -> None:
    with beside(secure_client, secure) as future:
        server = secure.accept(10)
    with server, future.result() as client:
        message = os.urandom(3_000_000)
        with beside(client.send_bytes, message):
            assert server.recv_bytes() == message
        client.send_bytes(b"into a buffer")
        target = bytearray(20)
        assert server.recv_bytes_into(target) == 13
        assert target[:13] == b"into a buffer"
        client.close()
        assert server.poll(None)
        with pytest.raises(EOFError):
            server.recv()
        assert not isinstance(server, Connection)


def test_what_tls_has_read_ahead_counts_as_ready(secure: Listener) -> None:
    with beside(secure_client, secure) as future:
        server = secure.accept(10)
    with server, future.result() as client:
        assert not server.poll(0.02)
        assert wait([server], 0.02) == []
        for i in range(3):
            client.send(i)
        for i in range(3):
            assert wait([server], 5) == [server]
            assert server.poll(5)
            assert server.recv() == i
        assert wait([server, client], 0) == []


def test_both_ways_at_once_through_tls(secure: Listener) -> None:
    with beside(secure_client, secure) as future:
        server = secure.accept(10)
    data = os.urandom(2_000_000)
    with (
        server,
        future.result() as client,
        beside(server.send_bytes, data),
        beside(client.send_bytes, data),
        beside(server.recv_bytes) as received,
    ):
        assert client.recv_bytes() == data
        assert received.result(20) == data


def test_tls_is_asked_for_a_trusted_certificate(secure: Listener) -> None:
    untrusting = ssl.create_default_context()
    address = ("localhost", secure.address[1])
    with beside(secure.accept, 10) as server:
        with pytest.raises(ssl.SSLCertVerificationError):
            Client(address, authkey=KEY, ssl_context=untrusting)
        assert isinstance(server.exception(10), AuthenticationError)


def test_who_speaks_no_tls_blocks_nobody(secure: Listener) -> None:
    with SocketClient(secure.address):
        with beside(secure_client, secure) as future:
            accepted = secure.accept(10)
        assert_connected(future.result(), accepted)
    with beside(Client, secure.address, authkey=KEY, timeout=5) as plain:
        with pytest.raises((AuthenticationError, TimeoutError)):
            secure.accept(0.2)
        secure.close()
    assert plain.exception() is not None


def test_a_size_is_believed_as_far_as_bytes_come_through_tls(secure: Listener) -> None:
    """More than 2 GiB, too, which the TLS library cannot be asked for at once."""
    with beside(secure_client, secure) as future:
        server = secure.accept(10)
    with server, future.result() as client:
        tracemalloc.start()
        try:
            client._write([wire.header(3 << 30), b"but no more than that"])
            client.close()
            with pytest.raises(OSError, match="end of file during message"):
                server.recv_bytes()
            assert tracemalloc.get_traced_memory()[1] < 1_000_000
        finally:
            tracemalloc.stop()


def test_a_listener_that_is_too_slow_in_mid_tls_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first sign of life is TLS's, not the handshake's."""
    monkeypatch.setattr(_handshake, "HANDSHAKE_TIMEOUT_S", 0.05)
    with (
        Listener(("localhost", 0)) as silent,
        beside(secure_client, silent) as client,
        silent.accept() as accepted,
    ):
        assert accepted.poll(5)
        os.write(accepted.fileno(), b"\x16\x03\x03\x40\x00\x02")  # a reply begins
        while not client.done():
            with contextlib.suppress(TimeoutError):
                client.exception(0.01)
            with contextlib.suppress(ConnectionError):
                os.write(accepted.fileno(), b"\0")  # and goes on, a byte at a time
        assert isinstance(client.exception(), TimeoutError)


def test_a_tls_connection_stays_where_its_keys_are(secure: Listener) -> None:
    with beside(secure_client, secure) as future:
        server = secure.accept(10)
    here, there = procession.Pipe()
    with server, future.result() as client, here, there:
        with pytest.raises(TypeError, match="keys stay"):
            here.send(client)
        assert not there.poll()
