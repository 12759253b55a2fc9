"""A client's side: the connections of this process to one manager.

Idea: each thread has a connection for the methods it calls, as the standard protocol wants it:
there a connection stands for a thread, which is who holds an RLock. Where the manager is kin
there is one more for the process as a whole, the anchor: references are counted over it, in
order, and it tells the manager that the process lives.

Invariant: a connection on which an answer may still come is not used again: what interrupts a call
closes it. A call made in the middle of another (by a signal handler, a destructor) has a
connection of its own. Nothing is inherited by a fork.

This is the place for another transport: what a proxy needs is `Peer.call`, `control` and `release`.

Layer: pools and managers; imports base and ipc.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

from .. import _ambient, _log, connection, util
from .._errors import AuthenticationError
from ._deferred import Deferred
from ._sessions import PROTOCOL
from ._token import RETURN, ManagerLostError, RemoteError, Token, convert_to_error
from ._wire import Conversation, encode

LONGEST_FAREWELL = 1.0
"""Seconds that the exit of a process waits for a manager that does not answer."""

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

    def converse(self) -> Conversation:
        """Return a connection on which methods can be called."""
        talk = Conversation(self.connect())
        try:
            name = _ambient.current_process().name
            word = (PROTOCOL, _number.get(), os.getpid(), name) if self._greets else None
            answer = dispatch(talk, word, "accept_connection", (_own_name(),))
        except BaseException:
            talk.close()
            raise
        talk.kin = answer == PROTOCOL
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


def _own_name() -> str:
    """What the standard protocol has a connection called."""
    name: str = _ambient.current_process().name
    thread = threading.current_thread().name
    return name if thread == "MainThread" else f"{name}|{thread}"


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
                _log.info("the connection to a manager was not renewed: %r", trouble)
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
            _log.debug("a reference was not given back, its manager has gone: %r", error)

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
                _log.debug("no farewell, the manager has gone: %r", error)
            finally:
                talk.close()


class _OfThread(threading.local):
    """What a thread has with one manager.

    Attributes:
        talk: its connection; None if it has none, or while it is in use.
        granted: ids of referents that were already counted for the proxy to be made.
    """

    talk: Conversation | None = None

    def __init__(self) -> None:
        self.granted: list[str] = []


class Peer:
    """A manager, as this process sees it. Args: route: to it."""

    def __init__(self, route: Route):
        self.route = route
        self.start_afresh()
        # A child clears the finalizers it was born with; by then it may have an anchor of its own.
        util.register_after_fork(self, Peer._see_to_farewell)

    def start_afresh(self) -> None:
        """Have no connection, and know nothing: they were those of another process."""
        self._mine = _OfThread()
        self._anchor = Anchor(self.route)
        self._farewell: util.Finalize | None = None

    def _see_to_farewell(self) -> None:
        if self._anchor.kin and (self._farewell is None or not self._farewell.still_active()):
            self._farewell = util.Finalize(self, self._anchor.farewell, exitpriority=5)

    def call(self, token: Token, name: str, args: Any, kwds: Any) -> tuple[str, Any]:
        """Call a method of a referent; the kind of the answer, and the answer.

        Raises:
            ManagerLostError: the manager ended meanwhile.
            OSError: the manager cannot be reached (any more).
            Exception: what pickling the arguments raises.
        """
        mine = self._mine
        talk, mine.talk = mine.talk, None
        if talk is None:
            talk = self._connect()
        try:
            message = talk.encode((token.id, name, args, kwds))  # may itself make calls
        except BaseException:
            self._keep(talk)
            raise
        try:
            talk.send_encoded(message)
            answer = talk.recv_encoded()
        except BaseException as error:
            talk.close()
            if isinstance(error, EOFError | ConnectionError):
                raise self.route.lost(f"{token.typeid}.{name}()") from error
            raise
        self._keep(talk)
        kind, result = talk.decode(answer)
        return kind, result

    def control(self, name: str, *args: Any, **kwds: Any) -> Any:
        """Call a function of the server. Raises: as `dispatch`."""
        self._drop_anchor()
        if self._anchor.kin:
            return self._anchor.exchange(name, args, kwds)
        return self.route.once(name, args, kwds)

    def lease(self, ident: str) -> str:
        """Return an id for somebody else, with which the referent lives until he has counted it."""
        try:
            self._drop_anchor()
            if self._anchor.kin:
                return str(self._anchor.exchange("lease", (ident,), {}))
        except (OSError, EOFError, AuthenticationError, RemoteError) as error:
            _log.debug("a proxy is sent without a lease: %r", error)
        return ident

    def release(self, ident: str) -> None:
        """Give back a reference, at any moment; nobody waits for it."""
        self._anchor.release(ident)

    def grant(self, ident: str) -> None:
        """Note that a reference was counted already, for the proxy that this thread makes next."""
        self._mine.granted.append(ident)

    def take_grant(self, ident: str) -> bool:
        """Whether a reference was counted already; it is the caller's now."""
        if ident not in self._mine.granted:
            return False
        self._mine.granted.remove(ident)
        return True

    def _connect(self) -> Conversation:
        """A connection for this thread's calls."""
        # The anchor first: while it holds, the manager knows that the process lives.
        self._drop_anchor()
        talk, self._mine.talk = self._mine.talk, None
        return self.route.converse() if talk is None else talk

    def _drop_anchor(self) -> None:
        if self._anchor.dropped:
            return
        talk = self._anchor.drop()
        if talk is not None:
            self._keep(talk)
        self._see_to_farewell()

    def _keep(self, talk: Conversation) -> None:
        """Use *talk* for this thread's next call, unless there is a connection for it."""
        if self._mine.talk is None:
            self._mine.talk = talk
        else:
            talk.close()


# ---------------------------------------------------------------------- the managers that are known

_peers: weakref.WeakValueDictionary[Any, Peer] = weakref.WeakValueDictionary()
_contexts: dict[Any, Any] = {}  # address -> the ssl_context to go there with


def peer_at(serializer: str, address: Any, authkey: bytes) -> Peer:
    """Return this process's only peer for that manager."""
    if isinstance(address, list):  # XML knows no tuples
        address = tuple(address)
    key = serializer, address, bytes(authkey)
    peer = _peers.get(key)
    if peer is None:
        route = Route(serializer, address, authkey, _contexts.get(address))
        peer = _peers.setdefault(key, Peer(route))
    return peer


def go_with(address: Any, ssl_context: Any) -> None:
    """Use *ssl_context* for all connections to the manager at *address*."""
    if ssl_context is not None:
        _contexts[address] = ssl_context


def forget(address: Any) -> None:
    """The manager at *address* has ended: whoever looks for one there begins anew."""
    for key, peer in list(_peers.items()):
        if key[1] == address:
            _peers.pop(key, None)
            peer.start_afresh()


def _after_fork_in_child() -> None:
    for peer in list(_peers.values()):
        peer.start_afresh()


os.register_at_fork(after_in_child=_after_fork_in_child)
