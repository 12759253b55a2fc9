"""Peers that are silent, gone or many, at a listener that threads and forked processes share."""

import contextlib
import os
import signal
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator

import pytest

import procession
from procession import AuthenticationError
from procession.connection import (  # type: ignore[attr-defined]
    Client,
    Connection,
    Listener,
    SocketClient,
    _acceptor,
    _handshake,
    answer_challenge,
    deliver_challenge,
)
from tests.support.connecting import FAMILIES, KEY, assert_connected, beside
from tests.support.programs import run_python
from tests.support.waiting import wait_until

pytestmark = [pytest.mark.bare, pytest.mark.usefixtures("tracker")]


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


def test_a_silent_peer_blocks_no_other(listener: Listener) -> None:
    with contextlib.ExitStack() as silent:
        for size in range(5):  # in all stages of silence
            stranger = silent.enter_context(SocketClient(listener.address))
            os.write(stranger.fileno(), b"\0\0\0\40half"[:size])
        with beside(Client, listener.address, authkey=KEY) as client:
            accepted = listener.accept(5)
        assert_connected(client.result(), accepted)


def test_a_late_handshake_is_completed_by_the_next_call(listener: Listener) -> None:
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


def test_a_silent_peer_is_disconnected_in_the_end(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_handshake, "HANDSHAKE_TIMEOUT_S", 0.05)
    with SocketClient(listener.address) as silent:
        with pytest.raises(TimeoutError):
            listener.accept(0.2)
        assert silent.recv_bytes().startswith(b"#CHALLENGE#")
        with pytest.raises(EOFError):
            silent.recv_bytes()


def test_many_silent_peers_do_not_use_up_the_descriptors(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those above the limit wait in the kernel's queue; each has its turn when one has ended."""
    monkeypatch.setattr(_acceptor, "MAX_PENDING", 3)
    monkeypatch.setattr(_handshake, "HANDSHAKE_TIMEOUT_S", 0.3)
    with contextlib.ExitStack() as silent:
        peers = [silent.enter_context(SocketClient(listener.address)) for _ in range(8)]
        with pytest.raises(TimeoutError):
            listener.accept(0.1)
        assert [each.poll(0) for each in peers] == [True] * 3 + [False] * 5
        with beside(Client, listener.address, authkey=KEY) as client:
            accepted = listener.accept(20)
        assert_connected(client.result(), accepted)


def test_no_honest_peer_is_dropped_however_many_connect_at_once(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They answer one after the other, in the order in which they have connected or in another."""
    monkeypatch.setattr(_acceptor, "MAX_PENDING", 4)
    with contextlib.ExitStack() as stack:
        peers = [stack.enter_context(SocketClient(listener.address)) for _ in range(12)]
        accepted = []
        with beside(lambda: [_finish_handshake(each) for each in peers]):
            while len(accepted) < len(peers):
                accepted.append(stack.enter_context(contextlib.closing(listener.accept(20))))
        for each in accepted:
            each.send("welcome")
        assert [each.recv() for each in peers] == ["welcome"] * 12


def test_a_peer_that_has_gone_is_not_accepted(listener: Listener) -> None:
    SocketClient(listener.address).close()
    with SocketClient(listener.address) as half:
        os.write(half.fileno(), b"\0\0")
    with beside(Client, listener.address, authkey=KEY) as client:
        accepted = listener.accept(5)
    assert_connected(client.result(), accepted)


def test_closing_disconnects_the_pending_peers(listener: Listener) -> None:
    with SocketClient(listener.address) as waiting:
        with pytest.raises(TimeoutError):
            listener.accept(0.02)
        listener.close()
        waiting.recv_bytes()
        with pytest.raises(EOFError):
            waiting.recv_bytes()


def test_threads_take_turns_in_accept(listener: Listener) -> None:
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


def test_forked_processes_take_turns_in_accept(listener: Listener) -> None:
    """The handshakes that a parent has begun are its own; later ones belong to either process."""
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
    with pytest.raises(procession.TimeoutError):
        listener.accept()
    listener._listener._socket.settimeout(60)  # type: ignore[union-attr]
    with pytest.raises(procession.TimeoutError):
        listener.accept(0.05)
    listener._listener._socket.settimeout(None)  # type: ignore[union-attr]
    with pytest.raises(procession.TimeoutError):
        listener.accept(0.05)


def test_a_time_limit_may_be_longer_than_any_clock_counts(listener: Listener) -> None:
    with beside(Client, listener.address, authkey=KEY, timeout=1e15) as client:
        accepted = listener.accept(1e15)
    assert_connected(client.result(), accepted)


# ------------------------------------------------------------------------------- closed meanwhile


@pytest.mark.parametrize("authkey", [None, KEY])
def test_closing_ends_the_waiting_of_other_threads(authkey: bytes | None) -> None:
    listener = Listener(authkey=authkey)
    acceptor = listener._acceptor
    with beside(listener.accept) as first, beside(listener.accept) as second:
        wait_until(lambda: acceptor._wakeup is not None)
        listener.close()
        for waiting in (first, second):
            with pytest.raises(OSError, match="listener is closed"):
                waiting.result(10)


def test_a_signal_handler_may_close_the_listener(listener: Listener) -> None:
    main = threading.get_ident()

    def interrupt() -> None:
        wait_until(lambda: listener._acceptor._wakeup is not None)
        signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, lambda *_: listener.close())
    try:
        with beside(interrupt), pytest.raises(OSError, match="listener is closed"):
            listener.accept(20)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_signal_handler_that_accepts_in_the_midst_of_accept_is_told(listener: Listener) -> None:
    main = threading.get_ident()

    def interrupt() -> None:
        wait_until(lambda: listener._acceptor._wakeup is not None)
        signal.pthread_kill(main, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, lambda *_: listener.accept())
    try:
        with beside(interrupt), pytest.raises(RuntimeError, match="signal handler"):
            listener.accept(20)
    finally:
        signal.signal(signal.SIGUSR1, before)
    with pytest.raises(TimeoutError):
        listener.accept(0)


def test_a_disconnected_peer_sees_it_although_a_child_has_a_copy(
    listener: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_handshake, "HANDSHAKE_TIMEOUT_S", 0.1)
    with SocketClient(listener.address) as silent:
        with pytest.raises(TimeoutError):
            listener.accept(0.02)
        pid = os.fork()
        if pid == 0:
            signal.pause()
        try:
            with pytest.raises(TimeoutError):
                listener.accept(0.2)
            assert silent.recv_bytes().startswith(b"#CHALLENGE#")
            assert silent.poll(10)
            with pytest.raises(EOFError):
                silent.recv_bytes()
        finally:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # on purpose
def test_what_a_parent_closes_stays_open_in_its_forked_child(listener: Listener) -> None:
    """And the child, whose parent had a thread inside when it forked, can close as well."""
    reader, writer = procession.Pipe(duplex=False)
    with reader, writer, beside(listener.accept, 20) as waiting:
        wait_until(lambda: listener._acceptor._wakeup is not None)
        address = listener.address
        pid = os.fork()
        if pid == 0:
            writer.send("forked")
            _accept_and_exit(listener)
        reader.recv()
        listener.close()
        assert isinstance(waiting.exception(10), OSError)
        if not isinstance(address, str):  # a path goes with the process that made it
            with Client(address, authkey=KEY) as client:
                assert client.recv() == "from the child"
        else:
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")  # on purpose
def test_a_forked_child_can_close_what_its_parent_waits_at(listener: Listener) -> None:
    with beside(listener.accept, 20) as waiting:
        wait_until(lambda: listener._acceptor._wakeup is not None)
        pid = os.fork()
        if pid == 0:
            listener.close()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        with Client(listener.address, authkey=KEY):
            waiting.result(10).close()


# ----------------------------------------------------------------------------------------- bad luck


def test_without_descriptors_the_first_peer_is_disconnected() -> None:
    """Strangers that use up all of them do not keep a client out that knows the key."""
    outcome = run_python(
        """
        import os, resource, threading
        from procession.connection import Client, Listener, SocketClient

        name = chr(0) + "procession-test-%d" % os.getpid()
        listener = Listener(name, backlog=64, authkey=b"key")
        ready, done = os.pipe(), os.pipe()
        if os.fork() == 0:
            peers = [SocketClient(listener.address) for _ in range(40)]
            os.write(ready[1], b"x")
            with Client(listener.address, authkey=b"key") as client:
                print(client.recv(), flush=True)
            os.read(done[0], 1)
            os._exit(0)
        os.read(ready[0], 1)
        used = len(os.listdir("/proc/self/fd"))
        resource.setrlimit(resource.RLIMIT_NOFILE, (used + 16, used + 16))
        listener.accept(20).send("welcome")
        os.write(done[1], b"x")
        os.wait()
        """
    )
    assert (outcome.stdout, outcome.exitcode) == ("welcome\n", 0), outcome.stderr


def test_a_wrong_key_is_reported_even_if_the_peer_has_gone(listener: Listener) -> None:
    with SocketClient(listener.address) as stranger:
        with pytest.raises(TimeoutError):
            listener.accept(0.02)
        stranger.send_bytes(b"{sha256}" + b"x" * 32)
    with pytest.raises(AuthenticationError, match="another authkey"):
        listener.accept(10)


class _Leaving:
    """A connection whose other end sends a wrong answer and is closed."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def send_bytes(self, message: bytes) -> None:
        if self.sent:
            raise BrokenPipeError
        self.sent.append(message)

    def recv_bytes(self, _: int) -> bytes:
        return b"{sha256}" + b"x" * 32


def test_a_wrong_answer_is_the_error_of_deliver_challenge_as_well() -> None:
    with pytest.raises(AuthenticationError, match="another authkey"):
        deliver_challenge(_Leaving(), KEY)
    gone = _Leaving()
    gone.sent.append(b"")
    with pytest.raises(BrokenPipeError):
        deliver_challenge(gone, KEY)


def test_a_peer_that_vanished_before_its_handshake_is_ignored() -> None:
    """A reset connection is still in the queue; with TLS it cannot even be wrapped."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    for listener in (
        Listener(("127.0.0.1", 0), backlog=8, authkey=KEY),
        Listener(("127.0.0.1", 0), backlog=8, ssl_context=context),
    ):
        with listener:
            for sent in (b"", b"rubbish"):
                with socket.create_connection(listener.address) as vanished:
                    vanished.send(sent)
                    linger = struct.pack("ii", 1, 0)  # closing sends a reset
                    vanished.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            with pytest.raises(TimeoutError):
                listener.accept(0.1)
