"""Connections through TLS."""

import os
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import procession
from procession import AuthenticationError
from procession.connection import Client, Connection, Listener, SocketClient, wait
from tests.support.connecting import KEY, assert_connected, beside

pytestmark = pytest.mark.bare

SUPPORT = Path(__file__).parent.parent / "support"
CERTIFICATE = SUPPORT / "localhost.pem"


def server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def client_context() -> ssl.SSLContext:
    return ssl.create_default_context(cafile=CERTIFICATE)


@pytest.fixture
def secure() -> Iterator[Listener]:
    """A listener that wants TLS and a key."""
    with Listener(("localhost", 0), authkey=KEY, ssl_context=server_context()) as made:
        yield made


def secure_client(listener: Listener, **kwargs: Any) -> Any:
    address = ("localhost", listener.address[1])
    return Client(address, authkey=KEY, ssl_context=client_context(), **kwargs)


def test_messages_travel_through_tls(secure: Listener) -> None:
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


def test_a_tls_connection_stays_where_its_keys_are(secure: Listener) -> None:
    with beside(secure_client, secure) as future:
        server = secure.accept(10)
    here, there = procession.Pipe()
    with server, future.result() as client, here, there:
        with pytest.raises(TypeError, match="keys stay"):
            here.send(client)
        assert not there.poll()
