"""A client's side: the connections of this process to one manager.

Idea: each thread has a connection for the methods it calls, as the standard protocol wants it:
there a connection stands for a thread, which is who holds an RLock. Where the manager is kin
there is one more for the process as a whole, the anchor: references are counted over it, in
order, and it tells the manager that the process lives.

Invariant: a connection on which an answer may still come is not used again: what interrupts a call
closes it. A call made in the middle of another (by a signal handler, a destructor) has a
connection of its own. Nothing is inherited by a fork.

A call rides on the channels that accompany the connection, where these are, and goes by the
connection itself where the manager says so.

Layer: pools and managers; imports base and ipc.
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

from .. import util
from .._base import log
from .._base.errors import AuthenticationError
from ._control import Anchor
from ._objects import SUFFIX_LENGTH
from ._pickle import Conversation
from ._protocol import DONE, ELSEWHERE, ERROR, FETCH, PLAIN_ERRORS, RETURN, WAIT, RemoteError, Token
from ._transport import Route

ALWAYS = -1
AFTER_A_FETCH = 20
"""How many calls of a method go by the connection, where a result had to be fetched there."""

MOST_DETOURS = 1000
"""How many methods of referents are remembered that do not go through channels."""


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
        # id of a referent, method -> how many of the next calls go by the connection
        self._detours: dict[tuple[str, str], int] = {}
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

    def end(self) -> None:
        """Close what is open."""
        farewell = self._farewell
        if farewell is not None:
            farewell()
        self.start_afresh()

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
        if talk.channel is not None:
            detours = self._detours.get((token.id, name), 0)
            if detours == 0:
                answer = self._ask(talk, token, name, args, kwds)
                if answer is not None:
                    return answer
            elif detours > 0:
                self._detours[token.id, name] = detours - 1
        try:
            message = talk.encode((token.id, name, args, kwds))  # may itself make calls
        except BaseException:
            self._keep(talk)
            raise
        return self._exchange(talk, message, token, name)

    def _ask(
        self, talk: Conversation, token: Token, name: str, args: Any, kwds: Any
    ) -> tuple[str, Any] | None:
        """Call a method through the channel; None if the call has to go by the connection."""
        try:
            answer = talk.channel.ask(token.id, name, args, kwds)
        except BaseException as error:
            self._broken(talk, error, f"{token.typeid}.{name}()")
            raise
        if answer is None:
            return None
        kind, what = answer
        if kind == FETCH:
            self._detour(token, name, AFTER_A_FETCH)
            return self._exchange(talk, talk.encode((None, "fetch", (), {})), token, name)
        if kind == WAIT:
            return None
        if kind == ELSEWHERE:
            self._detour(token, name, ALWAYS)
            return None
        self._keep(talk)
        return (RETURN, what) if kind == DONE else (ERROR, PLAIN_ERRORS[what[0]](*what[1]))

    def _detour(self, token: Token, name: str, times: int) -> None:
        """Have the next calls of a method go by the connection."""
        if len(self._detours) >= MOST_DETOURS:
            self._detours.clear()  # each of them is learned again by one call
        self._detours[token.id, name] = times

    def _exchange(
        self, talk: Conversation, message: Any, token: Token, name: str
    ) -> tuple[str, Any]:
        """Send a request; the answer to it."""
        try:
            talk.send_encoded(message)
            answer = talk.recv_encoded()
        except BaseException as error:
            self._broken(talk, error, f"{token.typeid}.{name}()")
            raise
        self._keep(talk)
        kind, result = talk.decode(answer)
        return kind, result

    def _broken(self, talk: Conversation, error: BaseException, call: str) -> None:
        """Close *talk*, as *call* was broken off. Raises: ManagerLostError: that is the reason."""
        talk.close()
        if isinstance(error, EOFError | ConnectionError):
            raise self.route.lost(call) from error

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
            log.debug("a proxy is sent without a lease: %r", error)
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
_homes: dict[str, Any] = {}  # what all ids of a manager end with -> its address


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


def key_for(address: Any) -> bytes | None:
    """Return the key with which the manager at *address* is used here; None if it is not."""
    for _, known, authkey in list(_peers.keys()):
        if known == address:
            return authkey  # type: ignore[no-any-return]
    return None


def note_home(ident: str, address: Any) -> None:
    """The manager that calls a referent *ident* is reached at *address*."""
    _homes[ident[-SUFFIX_LENGTH:]] = address


def home_of(ident: str) -> Any:
    """Return where the manager is reached that calls a referent *ident*; None if it is not known.

    It may know itself by an address that is of no use here, such as ``0.0.0.0``.
    """
    return _homes.get(ident.partition(".")[0][-SUFFIX_LENGTH:])


def go_with(address: Any, ssl_context: Any) -> None:
    """Use *ssl_context* for all connections to the manager at *address*."""
    if ssl_context is not None:
        _contexts[address] = ssl_context


def forget(address: Any) -> None:
    """The manager at *address* has ended: whoever looks for one there begins anew."""
    for key, peer in list(_peers.items()):
        if key[1] == address:
            _peers.pop(key, None)
            peer.end()
    for suffix, home in list(_homes.items()):
        if home == address:
            del _homes[suffix]


def _after_fork_in_child() -> None:
    for peer in list(_peers.values()):
        peer.start_afresh()


os.register_at_fork(after_in_child=_after_fork_in_child)
