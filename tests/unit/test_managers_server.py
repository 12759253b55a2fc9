"""The server of a manager: its start, its end, its key, connections through TLS."""

import gc
import os
import pickle
import socket
import ssl
import threading
from pathlib import Path
from typing import Any

import pytest

import procession
from procession.connection import Client
from procession.managers import ListProxy, SyncManager
from tests.support import run_python
from tests.support.managers import run_child, running

pytestmark = pytest.mark.usefixtures("tracker")

CERTIFICATE = Path(__file__).parent.parent / "support" / "localhost.pem"


def refuse() -> None:
    raise LookupError("no server today")


def test_an_error_in_the_starting_server_is_raised_by_start(ctx: Any) -> None:
    """Errors of the initializer and of the address; afterwards the manager is not started."""
    manager = SyncManager(ctx=ctx)
    with pytest.raises(TypeError, match="callable"):
        manager.start(initializer=5)  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="no server today"):
        manager.start(refuse)
    with pytest.raises(OSError, match=r"not.*address|No such file"):
        SyncManager("/does/not/exist/socket", ctx=ctx).start()
    with pytest.raises(AssertionError, match="not yet started"):
        manager.list()
    gc.collect()


def test_a_manager_is_started_once(forked_manager: Any) -> None:
    with pytest.raises(procession.ProcessError, match="Already started"):
        forked_manager.start()
    forked_manager.shutdown()
    forked_manager.shutdown()
    with pytest.raises(procession.ProcessError, match="shut down"):
        forked_manager.get_server()


WITHOUT_SERVER = """
    from procession.managers import SyncManager

    def show_error(call):
        try:
            call()
        except AssertionError as error:
            print(error)

    if __name__ == "__main__":
        manager = SyncManager()
        show_error(manager.list)
        with manager:
            assert False, "under -O this is left out"
        show_error(manager.__enter__)
"""


def test_a_manager_that_has_no_server_says_so_under_optimization() -> None:
    """The standard contract has an AssertionError, which must not be an ``assert``."""
    outcome = run_python(WITHOUT_SERVER, options=("-O",))

    assert outcome.stdout == "server not yet started\nmanager has shut down\n", outcome.stderr


def test_a_server_in_this_process() -> None:
    """``get_server`` and threads, without any child."""
    server = SyncManager(authkey=b"key").get_server()
    thread = threading.Thread(target=serve, args=(server,))
    thread.start()
    client = SyncManager(server.address, b"key")
    client.connect()

    assert client.list([1])[0] == 1
    client._client.call_server("shutdown")
    thread.join(10)
    assert not thread.is_alive()


def serve(server: Any) -> None:
    try:
        server.serve_forever()
    except SystemExit:
        return


def test_connections_without_the_key_are_refused_and_do_no_harm(forked_manager: Any) -> None:
    """They send random bytes, nothing, wrong keys; one with the key sends senseless requests."""
    shared = forked_manager.list([1])
    silent = [connect(forked_manager.address) for _ in range(5)]
    for size in (0, 1, 3, 4, 100, 100_000):
        with connect(forked_manager.address) as noisy:
            try:
                noisy.sendall(os.urandom(size))
            except OSError:
                continue
    with pytest.raises(procession.AuthenticationError):
        Client(forked_manager.address, authkey=b"wrong")
    for nonsense in (b"", b"no pickle", pickle.dumps(5), pickle.dumps((None, "__init__", (), {}))):
        with Client(forked_manager.address, authkey=bytes(forked_manager._authkey)) as conn:
            conn.send_bytes(nonsense)
            assert conn.recv()[0] == "#TRACEBACK"
    for each in silent:
        each.close()

    assert shared[:] == [1]


def connect(address: Any) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(address)
    return sock


def tls(server_side: bool) -> ssl.SSLContext:
    """Return the context for one side."""
    if not server_side:
        return ssl.create_default_context(cafile=CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def append_over_tls(address: Any, authkey: bytes) -> None:
    manager = OwnTls(address, authkey, ssl_context=tls(server_side=False))
    manager.connect()
    manager.shared().append("secretly")


_shared_over_tls: list[str] = []


def shared_over_tls() -> list[str]:
    return _shared_over_tls


class OwnTls(SyncManager):
    """A manager class of a program, with a list that exists once."""


OwnTls.register("shared", shared_over_tls, ListProxy)


def test_a_manager_speaks_tls(ctx: Any) -> None:
    """So do its proxies, and the proxies in other processes."""
    made: Any = OwnTls(("localhost", 0), b"key", ssl_context=tls, ctx=ctx)
    made.start()
    with running(made):
        assert run_child(ctx, append_over_tls, made.address, b"key") == 0
        nested = made.dict(shared=made.shared())

        assert nested["shared"][:] == ["secretly"]
    with pytest.raises(TypeError, match="function"):
        SyncManager(ssl_context=tls(server_side=True), ctx=ctx).start()
