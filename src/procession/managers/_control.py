"""The control connection: how a manager knows that a process is alive, and counts its references.

Idea: beside the connections of its threads, a process has one for itself, if the manager uses this
package too. References are counted over it, in order; and as long as it is open the manager knows
that the process is alive.

Invariant: as long as the process has references, it has the control connection or is just replacing
it: a call that is interrupted closes its connection, so a new one is made before.

Layer: pools and managers; imports base and ipc.
"""

from __future__ import annotations

import threading
from typing import Any

from .. import util
from .._base import log
from .._base.errors import AuthenticationError
from ._connection import MessageConnection
from ._deferred import DeferringLock
from ._pickle import encode
from ._protocol import RemoteError, result_or_raise
from ._transport import Transport

GOODBYE_TIMEOUT = 1.0
"""Seconds that the exit of a process waits for a manager that does not answer."""


class ControlConnection:
    """The connection of this process as a whole to one manager.

    Attributes:
        same_library: whether the manager uses this package, so that there is such a connection;
            None as long as that is not known.
    """

    same_library: bool | None

    def __init__(self, transport: Transport):
        self._transport = transport
        self.same_library = None
        self._conn: MessageConnection | None = None
        self._connecting = threading.Lock()
        self._lock: DeferringLock[str] = DeferringLock(self._release)

    @property
    def needs_connect(self) -> bool:
        """Whether `connect` has something to do."""
        return self._conn is None and self.same_library is not False

    def connect(self) -> MessageConnection | None:
        """Make the connection, if there is none.

        Returns:
            None; but the new connection, for other use, if the manager uses another library.
        Raises:
            OSError, AuthenticationError: there is no manager, or it has another key.
        """
        with self._connecting:
            if not self.needs_connect:
                return None
            conn = self._transport.connect_for_calls()
            self.same_library = conn.same_library
            if not conn.same_library:
                return conn
            self._conn = conn
            return None

    def call(self, name: str, args: Any, kwds: Any) -> Any:
        """Call a function of the server. Raises: as `dispatch`."""
        # Before the lock is taken: to pickle the arguments may itself need a call.
        message = encode((None, name, args, kwds), same_library=True)
        with self._lock:
            conn = self._conn
            if conn is None:
                raise self._transport.lost_error(f"{name}()")
            try:
                conn.send_encoded(message)
                reply = conn.recv_encoded()
            except BaseException as error:
                self._replace(conn, error)
                if isinstance(error, EOFError | ConnectionError):
                    raise self._transport.lost_error(f"{name}()") from error
                raise
        return result_or_raise(*conn.decode(reply))

    def _replace(self, conn: MessageConnection, error: BaseException) -> None:
        """Replace the connection, which cannot be used any more after *error*."""
        self._conn = None
        if not isinstance(error, EOFError | ConnectionError):
            # A call was interrupted. The manager must not take that for the end of this process.
            try:
                self._conn = self._transport.connect_for_calls()
            except (OSError, EOFError, AuthenticationError) as trouble:
                log.info("the connection to a manager was not renewed: %r", trouble)
        conn.close()

    def release(self, ident: str) -> None:
        """Give back a reference. May be called at any moment."""
        self._lock.defer(ident)

    def _release(self, idents: list[str]) -> None:
        try:
            if self._conn is not None:
                self._conn.send((None, "release", (idents,), {}))
            elif self.same_library is False:
                for ident in idents:
                    self._transport.call_once("decref", (ident,), {})
        except (OSError, EOFError, AuthenticationError, RemoteError) as error:
            log.debug("a reference was not given back, its manager is gone: %r", error)

    def say_goodbye(self) -> None:
        """Close the connection in good order: what this process has locked stays locked."""
        with self._lock:
            conn, self._conn = self._conn, None
            if conn is None:
                return
            try:
                if util.is_exiting():  # then wait until the references have arrived
                    conn.send((None, "dummy", (), {}))
                    if conn.raw.poll(GOODBYE_TIMEOUT):
                        conn.recv()
                conn.send((None, "goodbye", (), {}))
            except (OSError, EOFError) as error:
                log.debug("a goodbye was not said, the manager is gone: %r", error)
            finally:
                conn.close()
