"""Who may wait at a listener's door: the silent, the gone, crowds, threads and forked processes."""

import contextlib
import os
import time
from collections.abc import Iterator

import pytest

import procession
from procession.connection import (
    Client,
    Connection,
    Listener,
    SocketClient,
    _door,  # type: ignore[attr-defined]
    _handshake,  # type: ignore[attr-defined]
    answer_challenge,
    deliver_challenge,
)
from tests.support.connecting import FAMILIES, KEY, assert_connected, beside

pytestmark = pytest.mark.bare


@pytest.fixture(params=FAMILIES)
def listener(request: pytest.FixtureRequest) -> Iterator[Listener]:
    """A listener of each family that wants a key."""
    with Listener(family=request.param, backlog=16, authkey=KEY) as made:
        yield made


def test_accept_waits_as_long_as_it_is_told_and_not_shorter(listener: Listener) -> None:
    for kind in (procession.TimeoutError, TimeoutError):
        start = time.monotonic()
        with pytest.raises(kind):
            listener.accept(timeout=0.05)
        assert time.monotonic() - start >= 0.05
    with Listener() as open_to_all, pytest.raises(TimeoutError):
        open_to_all.accept(0)


def test_the_timeout_covers_the_handshake(listener: Listener) -> None:
    with SocketClient(listener.address):
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            listener.accept(0.1)
        assert 0.1 <= time.monotonic() - start < 5


def test_the_silent_block_nobody(listener: Listener) -> None:
    with contextlib.ExitStack() as silent:
        for size in range(5):  # in all stages of silence
            stranger = silent.enter_context(SocketClient(listener.address))
            os.write(stranger.fileno(), b"\0\0\0\40half"[:size])
        with beside(Client, listener.address, authkey=KEY) as client:
            accepted = listener.accept(5)
        assert_connected(client.result(), accepted)


def test_who_is_late_is_let_in_by_the_next_call(listener: Listener) -> None:
    with SocketClient(listener.address) as late:
        with pytest.raises(TimeoutError):
            listener.accept(0.02)
        with beside(_finish_handshake, late):
            accepted = listener.accept(10)
        accepted.send("welcome")
        assert late.recv() == "welcome"
        accepted.close()


def _finish_handshake(connection: Connection) -> None:
    answer_challenge(connection, KEY)
    deliver_challenge(connection, KEY)


def test_the_silent_are_dropped_in_the_end(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_handshake, "LIMIT", 0.05)
    with SocketClient(listener.address) as silent:
        with pytest.raises(TimeoutError):
            listener.accept(0.2)
        assert silent.recv_bytes().startswith(b"#CHALLENGE#")
        with pytest.raises(EOFError):
            silent.recv_bytes()


def test_no_crowd_of_the_silent_uses_up_the_descriptors(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_door, "MOST_WAITING", 3)
    with contextlib.ExitStack() as silent:
        crowd = [silent.enter_context(SocketClient(listener.address)) for _ in range(8)]
        with pytest.raises(TimeoutError):
            listener.accept(0.1)
        dropped = [each for each in crowd if each.recv_bytes() and each.poll(0)]
        assert dropped == crowd[:5]
        with beside(Client, listener.address, authkey=KEY) as client:
            accepted = listener.accept(5)
        assert_connected(client.result(), accepted)


def test_who_has_gone_is_not_let_in(listener: Listener) -> None:
    SocketClient(listener.address).close()
    with SocketClient(listener.address) as half:
        os.write(half.fileno(), b"\0\0")
    with beside(Client, listener.address, authkey=KEY) as client:
        accepted = listener.accept(5)
    assert_connected(client.result(), accepted)


def test_closing_sends_away_who_is_at_the_door(listener: Listener) -> None:
    with SocketClient(listener.address) as waiting:
        with pytest.raises(TimeoutError):
            listener.accept(0.02)
        listener.close()
        waiting.recv_bytes()
        with pytest.raises(EOFError):
            waiting.recv_bytes()


def test_threads_take_turns_at_the_door(listener: Listener) -> None:
    with contextlib.ExitStack() as stack:
        servers = [stack.enter_context(beside(listener.accept, 10)) for _ in range(4)]
        clients = [
            stack.enter_context(beside(Client, listener.address, authkey=KEY)) for _ in range(4)
        ]
        accepted = [server.result(20) for server in servers]
        connected = [client.result(20) for client in clients]
        for i, client in enumerate(connected):
            client.send(i)
        assert sorted(server.recv() for server in accepted) == [0, 1, 2, 3]
        for end in accepted + connected:
            end.close()
        with beside(listener.accept, 0.2) as first, beside(listener.accept, 0.2) as second:
            assert isinstance(first.exception(10), TimeoutError)
            assert isinstance(second.exception(10), TimeoutError)


def test_forked_processes_take_turns_at_the_door(listener: Listener) -> None:
    """The handshakes a parent has begun are its own; those that come later anybody's."""
    with SocketClient(listener.address) as of_parent:
        with pytest.raises(TimeoutError):
            listener.accept(0.02)
        pid = os.fork()
        if pid == 0:
            _accept_and_exit(listener)
        with beside(Client, listener.address, authkey=KEY) as client:
            assert client.result(10).recv() == "from the child"
        client.result().close()
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        with beside(_finish_handshake, of_parent):
            listener.accept(10).close()
        assert os.path.exists(listener.address) if isinstance(listener.address, str) else True


def _accept_and_exit(listener: Listener) -> None:
    code = 1
    try:
        with listener.accept(10) as connection:
            connection.send("from the child")
        listener.close()
        code = 0
    finally:
        os._exit(code)


def test_a_timeout_set_on_the_socket_itself_is_honoured(listener: Listener) -> None:
    """Programs of the standard library had no other way."""
    listener._listener._socket.settimeout(0.05)  # type: ignore[union-attr]
    with pytest.raises(TimeoutError):
        listener.accept()
