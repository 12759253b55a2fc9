"""How a manager is reached: connections, requests and answers.

Idea: whoever has the address and the key can make a connection, call one function of the server
over it and be done; or say who it is and go on calling methods.

Invariant: a connection that is returned has been through the handshake, and is closed if not.

Layer: pools and managers; imports base and ipc.
"""

from __future__ import annotations

import os
import threading
from typing import Any

from .. import _core, connection
from .._base import runtime
from ._pickle import Conversation
from ._protocol import RETURN, ManagerLostError, convert_to_error
from ._sessions import PROTOCOL
from ._shm_client import ChannelCalls

# serializer -> what listens, what connects; programs may add to it.
listener_client: dict[str, tuple[Any, Any]] = {
    "pickle": (connection.Listener, connection.Client),
    "xmlrpclib": (connection.XmlListener, connection.XmlClient),
}


def listen(serializer: str, address: Any, backlog: int, authkey: bytes, ssl_context: Any) -> Any:
    """Return a listener at *address*; None for a fresh one, which leaves no file."""
    if address is None:
        address = f"\0procession-manager-{os.getpid()}-{os.urandom(8).hex()}"
    options = {} if ssl_context is None else {"ssl_context": ssl_context}
    kind = listener_client[serializer][0]
    return kind(address=address, backlog=backlog, authkey=authkey, **options)


def call_on(address: Any, authkey: bytes, secure: bool) -> Any:
    """Return a connection to this process's own listener, to wake who accepts there.

    Raises: OSError, EOFError, AuthenticationError: that did not succeed within a second.
    """
    context: Any = None
    if secure:
        import ssl  # only here

        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False  # it is us
        context.verify_mode = ssl.CERT_NONE
    return connection.Client(address, authkey=authkey, ssl_context=context, timeout=1.0)


def dispatch(c: Any, id: Any, methodname: str, args: Any = (), kwds: Any = None) -> Any:
    """Make a request over the connection *c* and return the result.

    Raises:
        RemoteError: it went wrong in the manager; shows the traceback.
        Exception: what a method raised.
        EOFError, OSError: the manager has gone.
    """
    talk = c if isinstance(c, Conversation) else Conversation(c)
    talk.send((id, methodname, args, kwds or {}))
    return result_of(*talk.recv())


def result_of(kind: str, result: Any) -> Any:
    """Return the result that an answer is, or raise the exception."""
    if kind == RETURN:
        return result
    error = convert_to_error(kind, result)
    try:
        raise error
    finally:
        del error, result  # else exception and frame would keep one another


class _Number:
    """This process's number among a manager's clients; a forked child has another."""

    def __init__(self) -> None:
        self._pid, self._number = 0, ""

    def get(self) -> str:
        if self._pid != os.getpid():
            self._pid, self._number = os.getpid(), os.urandom(16).hex()
        return self._number


_number = _Number()


class Route:
    """How to reach a manager.

    Args:
        serializer, address, authkey: see `BaseManager`.
        ssl_context: for the client's side; None for connections in the clear.
    """

    def __init__(self, serializer: str, address: Any, authkey: bytes, ssl_context: Any = None):
        self._client = listener_client[serializer][1]
        self._greets = serializer == "pickle"
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
            raise self.lost("the greeting") from error

    def converse(self) -> Conversation:
        """Return a connection on which methods can be called."""
        talk = Conversation(self.connect())
        try:
            name = runtime.current_process().name
            word = (PROTOCOL, _number.get(), os.getpid(), name) if self._greets else None
            answer = dispatch(talk, word, "accept_connection", (_own_name(),))
            if isinstance(answer, tuple) and answer[:1] == (PROTOCOL,):
                talk.kin = True
                if answer[1] == _core.family_id():
                    talk.channel = _open_channel(talk)
        except BaseException:
            talk.close()
            raise
        return talk

    def once(self, name: str, args: Any, kwds: Any) -> Any:
        """Call a function of the server over a connection of its own. Raises: as `dispatch`."""
        conn = self.connect()
        try:
            return dispatch(conn, None, name, args, kwds)
        finally:
            conn.close()

    def lost(self, what: str) -> ManagerLostError:
        """Return the error for a connection that ended during *what*."""
        return ManagerLostError(
            f"the manager at {self.address!r} ended, or closed the connection, during {what}"
        )


def _open_channel(talk: Conversation) -> ChannelCalls:
    """Have the calls of a thread ride on channels, to a manager of our family."""
    replies = _core.TaskChannel()
    known = dispatch(talk, None, "open_channel", (replies.offset, replies.serial))
    return ChannelCalls(replies, known, talk.fileno())


def _own_name() -> str:
    """What the standard protocol has a connection called."""
    name: str = runtime.current_process().name
    thread = threading.current_thread().name
    return name if thread == "MainThread" else f"{name}|{thread}"
