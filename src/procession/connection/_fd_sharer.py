"""Sending descriptors to processes that are not being launched.

Idea: a message contains only a number. The sending process keeps a duplicate of the descriptor, and
one of its threads sends the duplicate to a receiver that connects and names the number.

Invariant: each descriptor is sent once, to a process of the same user (or root) that knows the
family's key, and then closed here. The socket has no file, so nothing of it is left when this
process ends. A peer that sends nothing delays others for `_REQUEST_TIMEOUT_S` at most.

Layer: ipc; imports the base layer and `connection`.
"""

from __future__ import annotations

import os
import signal
import socket
import struct
import sys
import threading

from .. import util
from .._base import runtime
from .._base.deadline import seconds_of
from .._base.errors import AuthenticationError
from .._base.shortage import GrowingPause, is_shortage
from ._fd_messages import recv_handle, send_handle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    _Ident = tuple[Any, int]
    _Resource = tuple[Callable[[Any, int], object], Callable[[], object]]

__all__ = ["DupFd", "stop"]

# How long a request may take after the handshake; a receiver sends it at once.
_REQUEST_TIMEOUT_S = 5.0


class DupFd:
    """A picklable stand-in for a duplicate of the descriptor *fd*."""

    def __init__(self, fd: int):
        duplicate = os.dup(fd)

        def send(connection: Any, pid: int) -> None:
            send_handle(connection, duplicate, pid)

        try:
            self._id = _resource_sharer.register(send, lambda: os.close(duplicate))
        except BaseException:
            os.close(duplicate)
            raise

    def detach(self) -> int:
        """Return a new descriptor of this process; it can be fetched once.

        Raises:
            OSError: it was fetched before, or the process that sent it has ended.
        """
        try:
            with _resource_sharer.get_connection(self._id) as connection:
                return recv_handle(connection)
        except (EOFError, ConnectionError) as error:
            raise OSError(
                f"the descriptor cannot be fetched from {self._id[0]!r}: the process that sent it "
                f"has ended or stopped sharing, or the descriptor was fetched before"
            ) from error


class _ResourceSharer:
    """What other processes may fetch from this one, and the thread that serves them."""

    def __init__(self) -> None:
        self._key = 0
        self._cache: dict[int, _Resource] = {}
        self._lock = threading.Lock()
        self._listener: Any = None
        self._authkey = b""
        self._thread: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._afterfork)

    def register(self, send: Callable[[Any, int], object], close: Callable[[], object]) -> _Ident:
        """Keep a resource until a process fetches it.

        Args:
            send: called with a connection and a pid, to send the resource.
            close: called afterwards, or when the sharer stops.
        Returns:
            What `get_connection` takes, in this or another process.
        """
        with self._lock:
            if self._listener is None:
                self._start()
            self._key += 1
            self._cache[self._key] = (send, close)
            return self._listener.address, self._key

    @staticmethod
    def get_connection(ident: _Ident) -> Any:
        """Return a connection from which to receive the resource *ident*."""
        from ._listener import Client

        address, key = ident
        connection = Client(address, authkey=bytes(runtime.current_process().authkey))
        connection.send((key, os.getpid()))
        return connection

    def stop(self, timeout: float | None = None) -> None:
        """End the thread, and close what was not fetched.

        Args:
            timeout: seconds to wait for the thread; None waits for ever.
        """
        from ._listener import Client

        with self._lock:
            if self._listener is None or self._thread is None:
                return
            with Client(self._listener.address, authkey=self._authkey) as connection:
                connection.send(None)
            self._thread.join(seconds_of(timeout))
            if self._thread.is_alive():
                util.sub_warning("the thread that shares descriptors did not stop when asked")
            self._close_all()

    def _close_all(self) -> None:
        """Close the listener and all resources."""
        if self._listener is not None:
            self._listener.close()
        self._listener = self._thread = None
        while self._cache:
            _, (_, close) = self._cache.popitem()
            close()

    def _afterfork(self) -> None:
        """In a forked child: leave what the parent shares to the parent's thread."""
        self._lock = threading.Lock()
        self._close_all()

    def _start(self) -> None:
        from ._listener import Listener

        util.debug("starting listener and thread for sending handles")
        name = f"\0procession-sharer-{os.getpid()}-{os.urandom(8).hex()}"
        self._authkey = bytes(runtime.current_process().authkey)
        listener = Listener(name, backlog=128, authkey=self._authkey)
        thread = threading.Thread(
            target=self._serve, args=(listener,), name="procession-sharer", daemon=True
        )
        try:
            thread.start()
        except BaseException:  # no thread is left: the next call tries again
            listener.close()
            raise
        self._listener, self._thread = listener, thread

    def _serve(self, listener: Any) -> None:
        """Send resources to processes that ask for them, until asked to stop."""
        # The program's own threads handle its signals.
        signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        pause = GrowingPause()
        while True:
            try:
                with listener.accept() as connection:
                    if not self._serve_one(connection):
                        return
                pause.reset()
            except (AuthenticationError, EOFError, OSError) as error:
                util.sub_warning("a process did not fetch its descriptor: %r", error)
                if is_shortage(error):
                    pause.wait()
            except Exception:  # noqa: BLE001 - one bad request must not end the thread
                if util.is_exiting():
                    return
                sys.excepthook(*sys.exc_info())

    def _serve_one(self, connection: Any) -> bool:
        """Answer one request; return False if it is the request to stop."""
        if not _is_of_same_user(connection.fileno()) or not connection.poll(_REQUEST_TIMEOUT_S):
            return True
        request = connection.recv()
        if request is None:
            return False
        key, pid = request
        resource = self._cache.pop(key, None)
        if resource is not None:  # else it was fetched before, and the stream ends
            send, close = resource
            try:
                send(connection, pid)
            finally:
                close()
        return True


def _is_of_same_user(fd: int) -> bool:
    """Return whether the peer of the Unix socket *fd* is a process of this user, or of root."""
    with socket.socket(fileno=os.dup(fd)) as sock:
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    _, uid, _ = struct.unpack("3i", credentials)
    return uid in (0, os.geteuid())


_resource_sharer = _ResourceSharer()
stop = _resource_sharer.stop
