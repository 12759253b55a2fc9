"""The connection by which a process as a whole is known to a manager that is kin.

Idea: references are counted over it, in order; and it tells the manager that the process lives.

Invariant: as long as the process has references, it has the anchor or is just renewing it: a call
that is interrupted closes its connection, so another takes its place first.

Layer: pools and managers; imports base and ipc.
"""

from __future__ import annotations

import threading
from typing import Any

from .. import util
from .._base import log
from .._base.errors import AuthenticationError
from ._deferred import Deferred
from ._pickle import Conversation, encode
from ._protocol import RemoteError
from ._transport import Route, result_of

LONGEST_FAREWELL = 1.0
"""Seconds that the exit of a process waits for a manager that does not answer."""


class Anchor:
    """The connection of this process as a whole to a manager that is kin.

    Attributes:
        kin: whether it is; None as long as that is not known.
    """

    kin: bool | None

    def __init__(self, route: Route):
        self._route = route
        self.kin = None
        self._talk: Conversation | None = None
        self._opening = threading.Lock()
        self._guard: Deferred[str] = Deferred(self._release)

    @property
    def dropped(self) -> bool:
        """Whether there is no reason to call `drop`."""
        return self._talk is not None or self.kin is False

    def drop(self) -> Conversation | None:
        """Have the anchor, if the manager is kin; else return the connection that showed it is not.

        Raises: OSError, AuthenticationError: there is no manager, or it has another key.
        """
        with self._opening:
            if self.dropped:
                return None
            talk = self._route.converse()
            self.kin = talk.kin
            if not talk.kin:
                return talk
            self._talk = talk
            return None

    def exchange(self, name: str, args: Any, kwds: Any) -> Any:
        """Call a function of the server. Raises: as `dispatch`."""
        message = encode((None, name, args, kwds), kin=True)  # may itself call one
        with self._guard:
            talk = self._talk
            if talk is None:
                raise self._route.lost(f"{name}()")
            try:
                talk.send_encoded(message)
                answer = talk.recv_encoded()
            except BaseException as error:
                self._replace(talk, error)
                if isinstance(error, EOFError | ConnectionError):
                    raise self._route.lost(f"{name}()") from error
                raise
        return result_of(*talk.decode(answer))

    def _replace(self, talk: Conversation, error: BaseException) -> None:
        """After *error*: the connection cannot be used any more."""
        self._talk = None
        if not isinstance(error, EOFError | ConnectionError):
            # A call was interrupted. The manager must not take that for the end of this process.
            try:
                self._talk = self._route.converse()
            except (OSError, EOFError, AuthenticationError) as trouble:
                log.info("the connection to a manager was not renewed: %r", trouble)
        talk.close()

    def release(self, ident: str) -> None:
        """Give back a reference, at any moment."""
        self._guard.note(ident)

    def _release(self, idents: list[str]) -> None:
        try:
            if self._talk is not None:
                self._talk.send((None, "release", (idents,), {}))
            elif self.kin is False:
                for ident in idents:
                    self._route.once("decref", (ident,), {})
        except (OSError, EOFError, AuthenticationError, RemoteError) as error:
            log.debug("a reference was not given back, its manager has gone: %r", error)

    def farewell(self) -> None:
        """End: what the process has locked stays so."""
        with self._guard:
            talk, self._talk = self._talk, None
            if talk is None:
                return
            try:
                if util.is_exiting():  # then wait until the references have arrived
                    talk.send((None, "dummy", (), {}))
                    if talk.conn.poll(LONGEST_FAREWELL):
                        talk.recv()
                talk.send((None, "farewell", (), {}))
            except (OSError, EOFError) as error:
                log.debug("no farewell, the manager has gone: %r", error)
            finally:
                talk.close()
