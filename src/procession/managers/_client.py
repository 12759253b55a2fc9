"""The client's side of one manager: the connections of this process, and calls over them.

Idea: each thread has a connection for the methods it calls, as the standard protocol wants it:
there a connection stands for a thread, which is what owns an RLock. Where the manager uses this
package too, there is one more for the process as a whole (see `_control`).

A call goes through the channels that belong to the connection, where these are, and by the
connection itself where the manager says so (see `_shm_server`).

Invariant: a connection on which a reply may still come is not used again: what interrupts a call
closes it. A call that is made in the middle of another (by a signal handler, a destructor) has a
connection of its own. Nothing is inherited by a fork.

Layer: pools and managers; imports base and ipc.
"""

from __future__ import annotations

import threading
from typing import Any

from .. import util
from .._base import log
from .._base.errors import AuthenticationError
from ._connection import MessageConnection
from ._control import ControlConnection
from ._precounted import PrecountedReferences
from ._protocol import (
    ALWAYS_BY_CONNECTION,
    CALL_BY_CONNECTION,
    DONE,
    ERROR,
    FETCH,
    RETURN,
    SIMPLE_ERRORS,
    ManagerLostError,
    RemoteError,
    Reply,
    Token,
)
from ._shm_client import ALL_CALLS, CALLS_AFTER_FETCH, ConnectionMethods
from ._transport import Transport


class _ThreadState(threading.local):
    """The connection of a thread; None if it has none, or while that is in use."""

    conn: MessageConnection | None = None


class ManagerClient:
    """A manager, as this process sees it.

    Args:
        transport: to the manager.
    Attributes:
        precounted: references that are counted already, for proxies to be made.
    """

    precounted: PrecountedReferences

    def __init__(self, transport: Transport):
        self.transport = transport
        self._by_connection = ConnectionMethods()
        self.start_afresh()
        # A child clears the finalizers that it inherits; by the time it does, it may have a
        # control connection of its own.
        util.register_after_fork(self, ManagerClient._register_goodbye)

    def start_afresh(self) -> None:
        """Have no connection, and know nothing, as those were another process's."""
        self._thread = _ThreadState()
        self.precounted = PrecountedReferences()
        self._control = ControlConnection(self.transport)
        self._goodbye: util.Finalize | None = None

    def _register_goodbye(self) -> None:
        """Have the exit of this process say goodbye, if there is a control connection."""
        registered = self._goodbye is not None and self._goodbye.still_active()
        if self._control.same_library and not registered:
            self._goodbye = util.Finalize(self, self._control.say_goodbye, exitpriority=5)

    def close(self) -> None:
        """Close all connections."""
        goodbye = self._goodbye
        if goodbye is not None:
            goodbye()
        self.start_afresh()

    # ------------------------------------------------------------------------- methods of referents

    def call(self, token: Token, name: str, args: Any, kwds: Any) -> Reply:
        """Call a method of a referent; return the reply.

        Raises:
            ManagerLostError: the manager ended meanwhile.
            OSError: the manager cannot be reached (any more).
            Exception: what pickling the arguments raises.
        """
        thread = self._thread
        conn, thread.conn = thread.conn, None
        if conn is None:
            conn = self._connect()
        if conn.channels is not None:
            calls_left = self._by_connection.get((token.id, name), 0)
            if calls_left == 0:
                reply = self._call_through_channel(conn, token, name, args, kwds)
                if reply is not None:
                    return reply
            elif calls_left > 0:
                self._by_connection[token.id, name] = calls_left - 1
        try:
            message = conn.encode((token.id, name, args, kwds))  # may itself make calls
        except BaseException:
            self._keep(conn)
            raise
        return self._exchange(conn, message, token, name)

    def _call_through_channel(
        self, conn: MessageConnection, token: Token, name: str, args: Any, kwds: Any
    ) -> Reply | None:
        """Call a method through the channels; None if the call has to go by the connection."""
        try:
            reply = conn.channels.call(token.id, name, args, kwds)
        except BaseException as error:
            self._close_broken(conn, error, f"{token.typeid}.{name}()")
            raise
        if reply is None:
            return None
        kind, what = reply
        if kind == FETCH:
            self._by_connection.note(token.id, name, CALLS_AFTER_FETCH)
            return self._exchange(conn, conn.encode((None, "fetch", (), {})), token, name)
        if kind == CALL_BY_CONNECTION:
            return None
        if kind == ALWAYS_BY_CONNECTION:
            self._by_connection.note(token.id, name, ALL_CALLS)
            return None
        self._keep(conn)
        return (RETURN, what) if kind == DONE else (ERROR, SIMPLE_ERRORS[what[0]](*what[1]))

    def _exchange(self, conn: MessageConnection, message: Any, token: Token, name: str) -> Reply:
        """Send a request; return the reply to it."""
        try:
            conn.send_encoded(message)
            reply = conn.recv_encoded()
        except BaseException as error:
            self._close_broken(conn, error, f"{token.typeid}.{name}()")
            raise
        self._keep(conn)
        kind, result = conn.decode(reply)
        return kind, result

    def _close_broken(self, conn: MessageConnection, error: BaseException, call: str) -> None:
        """Close *conn*, as *error* ended *call*. Raises: ManagerLostError: the manager is gone."""
        conn.close()
        if isinstance(error, EOFError | ConnectionError):
            raise self.transport.lost_error(call) from error

    # -------------------------------------------------------------------------------- the manager

    def call_server(self, name: str, *args: Any, **kwds: Any) -> Any:
        """Call a function of the server.

        Raises:
            ManagerLostError: the manager is gone.
            Exception: as `dispatch`.
        """
        try:
            return self.reach(name, *args, **kwds)
        except (ConnectionRefusedError, FileNotFoundError) as error:
            raise self._gone(error) from error

    def reach(self, name: str, *args: Any, **kwds: Any) -> Any:
        """Call a function of a server that may not be there yet. Raises: also as `connect`."""
        self._connect_control()
        if self._control.same_library:
            return self._control.call(name, args, kwds)
        return self.transport.call_once(name, args, kwds)

    def lease(self, ident: str) -> str:
        """Return an id with which a referent lives until the receiver of the id has counted it."""
        try:
            self._connect_control()
            if self._control.same_library:
                return str(self._control.call("lease", (ident,), {}))
        except (OSError, EOFError, AuthenticationError, RemoteError) as error:
            log.debug("a proxy is sent without a lease: %r", error)
        return ident

    def release(self, ident: str) -> None:
        """Give back a reference, without waiting for a reply. May be called at any moment."""
        self._control.release(ident)

    # -------------------------------------------------------------------------------- connections

    def _connect(self) -> MessageConnection:
        """Return a connection for this thread's calls."""
        try:
            # The control connection first: by it the manager knows that the process lives.
            self._connect_control()
            conn, self._thread.conn = self._thread.conn, None
            return self.transport.connect_for_calls() if conn is None else conn
        except (ConnectionRefusedError, FileNotFoundError) as error:
            raise self._gone(error) from error

    def _gone(self, error: OSError) -> OSError:
        """Return the error for a call that found no process at the manager's address."""
        return error if isinstance(error, ManagerLostError) else self.transport.gone_error()

    def _connect_control(self) -> None:
        """Make the control connection, unless there is one or the manager has another library."""
        if not self._control.needs_connect:
            return
        conn = self._control.connect()
        if conn is not None:
            self._keep(conn)
        self._register_goodbye()

    def _keep(self, conn: MessageConnection) -> None:
        """Use *conn* for this thread's next call, unless there is a connection for it."""
        if self._thread.conn is None:
            self._thread.conn = conn
        else:
            conn.close()
