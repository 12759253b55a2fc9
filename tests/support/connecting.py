"""What tests of connections share: a second thread, and the claim that two ends belong together."""

import contextlib
import ssl
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

KEY = b"the key of this test"
CERTIFICATE = Path(__file__).parent / "localhost.pem"
FAMILIES = ["AF_UNIX", "AF_INET", *(["AF_INET6"] if Path("/proc/net/if_inet6").exists() else [])]


@contextlib.contextmanager
def beside(function: Any, *args: Any, **kwargs: Any) -> Iterator[Future[Any]]:
    """Run *function* in a thread; the future has its result, or its exception."""
    future: Future[Any] = Future()

    def run() -> None:
        try:
            future.set_result(function(*args, **kwargs))
        except BaseException as error:  # noqa: BLE001 - whatever it is, the test looks at it
            future.set_exception(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield future
    finally:
        thread.join(20)
        assert not thread.is_alive()


def assert_connected(one: Any, other: Any) -> None:
    """The two are each other's ends; both are closed."""
    with one, other:
        one.send("there")
        assert other.recv() == "there"
        other.send("and back")
        assert one.recv() == "and back"


def server_context() -> ssl.SSLContext:
    """For the listener's side of TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def client_context() -> ssl.SSLContext:
    """For the client's side, which trusts that listener alone."""
    return ssl.create_default_context(cafile=CERTIFICATE)
