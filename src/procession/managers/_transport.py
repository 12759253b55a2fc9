"""How a manager is reached: listeners, connections, and the start of a connection.

Idea: a process that has the address and the key can make a connection, call one function of the
server over it and be done; or say which process it is and go on calling methods.

Invariant: a connection that is returned has completed its handshake; one that has not is closed.

Layer: pools and managers; imports base and ipc.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from .. import _core, connection
from .._base import runtime
from ._connection import MessageConnection, dispatch
from ._protocol import ManagerLostError
from ._sessions import PROTOCOL
from ._shm_client import ChannelCalls

# serializer -> the class of a listener, what makes a connection; programs may add to it.
listener_client: dict[str, tuple[Any, Any]] = {
    "pickle": (connection.Listener, connection.Client),
    "xmlrpclib": (connection.XmlListener, connection.XmlClient),
}


def listen(serializer: str, address: Any, backlog: int, authkey: bytes, ssl_context: Any) -> Any:
    """Return a listener at *address*; None for a fresh address, which leaves no file."""
    if address is None:
        address = f"\0procession-manager-{os.getpid()}-{os.urandom(8).hex()}"
    options = {} if ssl_context is None else {"ssl_context": ssl_context}
    kind = listener_client[serializer][0]
    return kind(address=address, backlog=backlog, authkey=authkey, **options)


def connect_to_self(address: Any, authkey: bytes, secure: bool) -> Any:
    """Return a connection to this process's own listener, which wakes the thread that accepts.

    Raises:
        OSError, EOFError, AuthenticationError: that did not succeed within a second.
    """
    context: Any = None
    if secure:
        import ssl  # only here

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # both sides are this process
        context.verify_mode = ssl.CERT_NONE
    return connection.Client(address, authkey=authkey, ssl_context=context, timeout=1.0)


class _ClientId:
    """The id by which managers know this process; a forked child has another."""

    def __init__(self) -> None:
        self._pid, self._id = 0, ""

    def get(self) -> str:
        if self._pid != os.getpid():
            self._pid, self._id = os.getpid(), os.urandom(16).hex()
        return self._id


_client_id = _ClientId()


class Transport:
    """How this process reaches one manager.

    Args:
        serializer, address, authkey: see `BaseManager`.
        ssl_context: for the client's side; None for connections without TLS.
    """

    def __init__(self, serializer: str, address: Any, authkey: bytes, ssl_context: Any = None):
        self._client = listener_client[serializer][1]
        self._sends_hello = serializer == "pickle"
        self.address, self._authkey = address, bytes(authkey)
        self._options = {} if ssl_context is None else {"ssl_context": ssl_context}

    def connect(self) -> Any:
        """Return a new connection. Raises: OSError, AuthenticationError: as `connection.Client`."""
        try:
            return self._client(self.address, authkey=self._authkey, **self._options)
        except (ConnectionRefusedError, FileNotFoundError) as error:
            error.add_note(f"there is no manager at {self.address!r} (any more)")
            raise
        except (EOFError, ConnectionResetError, BrokenPipeError) as error:
            raise self.lost_error("the handshake") from error

    def connect_for_calls(self) -> MessageConnection:
        """Return a connection on which methods can be called. Raises: as `connect`."""
        conn = MessageConnection(self.connect())
        try:
            name = runtime.current_process().name
            hello = (PROTOCOL, _client_id.get(), os.getpid(), name) if self._sends_hello else None
            reply = dispatch(conn, hello, "accept_connection", (_connection_name(),))
            if isinstance(reply, tuple) and reply[:1] == (PROTOCOL,):
                conn.same_library = True
                if reply[1] == _core.family_id():
                    conn.channels = _open_channels(conn)
        except BaseException:
            conn.close()
            raise
        return conn

    def call_once(self, name: str, args: Any, kwds: Any) -> Any:
        """Call a function of the server over a connection of its own. Raises: as `dispatch`."""
        conn = self.connect()
        try:
            return dispatch(conn, None, name, args, kwds)
        finally:
            conn.close()

    def gone_error(self) -> ManagerLostError:
        """Return the error for a call when no process listens at the manager's address."""
        return ManagerLostError(f"the manager at {self.address!r} is gone: none listens there")

    def lost_error(self, during: str) -> ManagerLostError:
        """Return the error for a connection that ended *during* a call, say."""
        return ManagerLostError(
            f"the manager at {self.address!r} ended, or closed the connection, during {during}"
        )


def _open_channels(conn: MessageConnection) -> ChannelCalls:
    """Make channels for the calls of a thread, to a manager of this family."""
    replies = _core.TaskChannel()
    opened = dispatch(conn, None, "open_channel", (replies.offset, replies.serial))
    return ChannelCalls(replies, opened, conn.fileno())


def _connection_name() -> str:
    """The name of a connection, as the standard protocol has it: of the process and the thread."""
    name: str = runtime.current_process().name
    thread = threading.current_thread().name
    return name if thread == "MainThread" else f"{name}|{thread}"
