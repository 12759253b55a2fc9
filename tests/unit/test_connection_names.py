"""Names of `connection` that are not documented, and that programs reach for all the same.

Each test does what such a program does; those programs were found in public repositories.
"""

import io
import os
import pickle
import select
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import procession
from procession import connection
from procession.connection import Client, Connection, Listener, _fd_sharer
from tests.support.connecting import KEY, assert_connected, beside

pytestmark = [pytest.mark.bare, pytest.mark.usefixtures("tracker")]


class _ByName:
    """What `_Obliging` sends in the place of a lambda."""

    def __init__(self, name: str):
        self.name = name


class _Obliging(pickle.Pickler):
    """A pickler that refuses nothing, as dill's and cloudpickle's."""

    def reducer_override(self, obj: Any) -> Any:
        name = getattr(obj, "__name__", "")
        return (_ByName, (name,)) if name == "<lambda>" else NotImplemented

    @staticmethod
    def dumps(obj: Any) -> bytes:
        buffer = io.BytesIO()
        _Obliging(buffer).dump(obj)
        return buffer.getvalue()


@pytest.fixture
def restored() -> Iterator[None]:
    before = connection._ForkingPickler
    yield
    connection._ForkingPickler = before


def test_another_pickler_may_be_put_in_place(restored: None) -> None:
    here, there = procession.Pipe()
    with here, there:
        with pytest.raises((pickle.PicklingError, AttributeError)):
            here.send(lambda: None)
        connection._ForkingPickler = _Obliging
        assert connection._ForkingPickler is _Obliging
        here.send([lambda: None, b"x" * 100_000])
        received = there.recv()
        assert received[0].name == "<lambda>"
        assert received[1] == b"x" * 100_000


def test_a_pickler_in_place_may_use_the_one_before(restored: None) -> None:
    before = connection._ForkingPickler

    class Counting(before):  # type: ignore[misc, valid-type]
        count = 0

        @classmethod
        def dumps(cls, obj: Any, protocol: int | None = None) -> Any:
            cls.count += 1
            return before.dumps(obj, protocol)

    connection._ForkingPickler = Counting
    here, there = procession.Pipe()
    with here, there:
        here.send(["once"])
        assert there.recv() == ["once"]
    assert Counting.count == 1


def test_the_pickler_is_used_by_itself() -> None:
    """Servers pickle once what they send to many, by send_bytes."""
    here, there = procession.Pipe()
    with here, there:
        here.send_bytes(connection._ForkingPickler.dumps({"a": 1}))
        assert there.recv() == {"a": 1}
        there.send([2])
        assert connection._ForkingPickler.loads(here.recv_bytes()) == [2]


@pytest.mark.parametrize("family", connection.families)
def test_servers_choose_their_address_themselves(family: str) -> None:
    connection._validate_family(family)
    assert connection.default_family in connection.families
    address = connection.arbitrary_address(family)
    assert connection.address_type(address) == family
    with socket.socket(getattr(socket, family)) as listening:
        listening.bind(address)
        listening.listen()
        client = connection.SocketClient(listening.getsockname())
        accepted, _ = listening.accept()
        assert_connected(client, Connection(accepted.detach()))
        if family == "AF_UNIX":
            os.unlink(address)


def test_socket_listeners_are_used_without_a_handshake() -> None:
    listener = connection.SocketListener(("127.0.0.1", 0), "AF_INET", 4)
    try:
        with beside(connection.SocketClient, listener._address) as client:
            assert_connected(listener.accept(), client.result(10))
    finally:
        listener.close()


def test_servers_wait_for_a_listeners_socket() -> None:
    """By select, by `wait`, with a time limit of the socket's, or by a longer backlog."""
    with Listener(("127.0.0.1", 0)) as listener:
        inner: Any = listener._listener
        inner._socket.listen(16)
        assert select.select([inner._socket], [], [], 0)[0] == []
        inner._socket.settimeout(0.01)
        with pytest.raises(socket.timeout):
            listener.accept()
        clients = [Client(listener.address) for _ in range(2)]
        assert select.select([inner._socket.fileno()], [], [], 10)[0] == [inner._socket.fileno()]
        assert connection.wait([inner._socket], 10) == [inner._socket]
        assert_connected(clients[0], listener.accept())
        assert_connected(clients[1], inner.accept())


def test_connections_of_listeners_are_waited_for_together() -> None:
    with Listener(("127.0.0.1", 0), authkey=KEY, backlog=4) as listener:
        ends = []
        for _ in range(3):
            with beside(Client, listener.address, authkey=KEY) as client:
                ends.append((listener.accept(10), client.result(10)))
        servers = [server for server, _ in ends]
        assert connection.wait(servers, 0) == []
        ends[1][1].send("hello")
        ends[2][1].close()
        assert connection.wait(servers, 10) == servers[1:]
        for server, client in ends:
            server.close()
            client.close()


def test_handshakes_of_their_own_have_the_words() -> None:
    assert connection.CHALLENGE == b"#CHALLENGE#"
    assert connection.WELCOME == b"#WELCOME#"
    assert connection.FAILURE == b"#FAILURE#"
    assert connection.MESSAGE_LENGTH >= 20


def test_subclasses_and_annotations_find_their_base(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = procession.Pipe()
    with here, there:
        assert isinstance(here, connection._ConnectionBase)
        rebuild, arguments = connection.reduce_connection(here)
        assert rebuild is connection.rebuild_connection
        with rebuild(*arguments) as again:
            again.send("through the duplicate")
            assert there.recv() == "through the duplicate"
    _fd_sharer.stop(timeout=10)
    monkeypatch.setattr(connection, "BUFSIZE", 2**24)  # which does nothing here


def test_manager_keys_are_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process's `authkey` is a kind of bytes."""
    key = procession.current_process().authkey
    with Listener(("127.0.0.1", 0), authkey=key) as listener:
        with beside(Client, listener.address, authkey=bytes(key)) as client:
            accepted = listener.accept(10)
        assert_connected(client.result(), accepted)
    refused: list[Callable[[], object]] = [
        lambda: Listener(authkey=bytearray(key)),  # type: ignore[arg-type]
        lambda: Client("/nowhere", authkey=bytearray(key)),  # type: ignore[arg-type]
    ]
    for call in refused:
        with pytest.raises(TypeError, match="byte string"):
            call()
