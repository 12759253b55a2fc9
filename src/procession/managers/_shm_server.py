"""Calls that come through shared memory: the server's side.

Idea: all clients of the family put their requests into one channel. One thread carries out those
whose methods are nonblocking (`_nonblocking`), one after the other, and puts each result into the
channel of the client that called. The thread never waits for a client, and runs no code but the
interpreter's and this package's (with two exceptions: the destructor of an object that a call
removes, and the ``__eq__`` of what a list contains): requests and results are simple objects. All
other calls go by the client's connection, where a thread serves that client alone: the client is
told to make the call there (CALL_BY_CONNECTION, ALWAYS_BY_CONNECTION), or to fetch the result
there (FETCH).

Invariant: a request is carried out while its session is open, in whole, or not at all. A result
that a client had not received when its session ended is undone, and no request of a closed session
is carried out later: so a client that died never gets a lock afterwards.

Crash: a client that is killed leaves at most one request and one result, both in channels that stay
whole; its reply channel goes with the last of the two processes that hold it.

Layer: pools and managers; imports the core, base and ipc.
"""

from __future__ import annotations

import itertools
import threading
from _thread import allocate_lock
from collections.abc import Callable
from typing import Any

from .. import _core
from .._base import log
from .._base.queue_shutdown import ShutDown
from ._nonblocking import Method, is_nonblocking
from ._objects import Referents
from ._protocol import (
    ALWAYS_BY_CONNECTION,
    CALL_BY_CONNECTION,
    DONE,
    ERROR,
    FETCH,
    RAISED,
    RETURN,
    SIMPLE_ERRORS,
    TRACEBACK,
    Reply,
)
from ._replies import error_reply
from ._sessions import Caller
from ._wait_queue import MustWait, current_call


class _Session:
    """A thread of a client that calls through channels.

    Attributes:
        pending: a reply that the client has been told to fetch.
        undo: undoes the last call; called if the client does not learn of its result.
    """

    __slots__ = ("caller", "pending", "replies", "undo")

    def __init__(self, caller: Caller, replies: _core.TaskChannel):
        self.caller, self.replies = caller, replies
        self.pending: Reply | None = None
        self.undo: Callable[[], object] | None = None


class ChannelService:
    """Serves one channel of requests. Args: referents: whose methods are called."""

    def __init__(self, referents: Referents):
        self._referents = referents
        self._lock = allocate_lock()  # held while a request is carried out
        self._numbers = itertools.count(1)
        self._sessions: dict[int, _Session] = {}
        self._by_caller: dict[Caller, int] = {}
        self._requests: _core.TaskChannel | None = None
        self._last_served: _Session | None = None

    # ------------------------------------------------------------------------------------- sessions

    def open(self, caller: Caller, offset: int, serial: int) -> tuple[int, int, int]:
        """Make a session for *caller*.

        Args:
            offset, serial: of the channel in shared memory that its results are put into.
        Returns:
            The number of the session, which is the label of its requests; offset and serial number
            of the channel for the requests.
        """
        replies = _core._attach(_core.TaskChannel, _core.family_id(), offset, serial)
        number = next(self._numbers)
        with self._lock:
            if self._requests is None:
                requests = _core.TaskChannel()
                threading.Thread(
                    target=self._serve, args=(requests,), name="manager-channel", daemon=True
                ).start()
                self._requests = requests  # not before: without its thread no request is answered
            self._sessions[number] = _Session(caller, replies)
            self._by_caller[caller] = number
        return number, self._requests.offset, self._requests.serial

    def fetch(self, caller: Caller) -> Reply:
        """Return the reply that *caller* is to fetch. Raises: KeyError: there is none."""
        with self._lock:
            session = self._sessions[self._by_caller[caller]]
            reply, session.pending = session.pending, None
            undo, session.undo = session.undo, None
        if reply is None:
            raise KeyError("there is no reply to fetch")
        current_call.undo = undo
        return reply

    def close(self, caller: Caller) -> None:
        """Undo what *caller*, which is gone, never learned of. To be called by its thread."""
        with self._lock:
            number = self._by_caller.pop(caller, None)
            if number is None:
                return
            session = self._sessions.pop(number)
            if self._last_served is session:
                self._last_served = None
        unread = session.pending is not None or session.replies.qsize() > 0
        if unread and session.undo is not None:
            session.undo()

    def end(self) -> None:
        """Answer no more requests; the calls that wait, and later ones, end with an error."""
        with self._lock:
            requests, self._requests = self._requests, None
            if requests is not None:
                requests.shutdown(immediate=True)
            for session in self._sessions.values():
                session.replies.shutdown()

    # ---------------------------------------------------------------------------------------- calls

    def _serve(self, requests: _core.TaskChannel) -> None:
        """Carry out requests, until the channel is shut down."""
        current_call.may_wait = False
        get, sessions, lock = requests.receive, self._sessions, self._lock
        while True:
            try:
                _, number, _, request, error = get(None)
            except ShutDown:
                return
            except Exception as trouble:  # noqa: BLE001 - no memory, or a channel that is damaged
                log.sub_warning("manager cannot receive from its clients: %r", trouble)
                self.end()  # the clients connect again, and get a new channel
                return
            with lock:
                session = sessions.get(number)
                if session is not None:
                    self._serve_one(session, request, error)
            # Nothing of this call stays alive while the thread waits for the next.
            del session, request, error

    def _serve_one(self, session: _Session, request: Any, error: BaseException | None) -> None:
        last, self._last_served = self._last_served, session
        if last is not session and last is not None and not last.replies.qsize():
            last.undo = None  # its client has received the result
        try:
            self._carry_out(session, request, error)
        except BaseException as trouble:  # noqa: BLE001 - no memory for a reply, say
            log.sub_warning("manager cannot answer a client: %r", trouble)
            session.pending = TRACEBACK, ""
            session.replies.shutdown()  # which tells the client

    def _carry_out(self, session: _Session, request: Any, error: BaseException | None) -> None:
        current_call.caller = caller = session.caller
        current_call.client = caller.client
        current_call.undo = None
        try:
            if error is not None:
                raise error
            ident, name, args, kwds = request
            method = self._method(ident, name)
            if isinstance(method, int):
                session.replies.send_simple(None, method)
                return
            result = method(*args, **dict(kwds)) if kwds else method(*args)
        except MustWait:
            session.replies.send_simple(None, CALL_BY_CONNECTION)
        except BaseException as problem:  # noqa: BLE001 - the client gets it
            self._send_error(session, problem)
        else:
            session.undo = current_call.undo
            self._send_result(session, result)

    def _method(self, ident: str, name: str) -> Method | int:
        """The method, if it can be called here; else the kind of the reply to the client."""
        try:
            referent = self._referents.get(ident)
        except KeyError:
            return CALL_BY_CONNECTION  # the thread of the connection has the error for that
        method: Method | None = referent.nonblocking.get(name)
        if method is not None:
            return method
        makes_referents = name in (referent.method_to_typeid or ())
        if name not in referent.exposed or makes_referents:
            return ALWAYS_BY_CONNECTION
        if not is_nonblocking(referent.obj, name):
            return ALWAYS_BY_CONNECTION
        method = referent.nonblocking[name] = getattr(referent.obj, name)
        return method

    def _send_result(self, session: _Session, result: Any) -> None:
        try:
            if session.replies.send_simple(result, DONE):
                return
        except (MemoryError, OSError) as error:
            log.info("a result did not fit into shared memory: %r", error)
        session.pending = RETURN, result
        session.replies.send_simple(None, FETCH)

    def _send_error(self, session: _Session, error: BaseException) -> None:
        kind, what = error_reply(error)
        simple = SIMPLE_ERRORS.get(type(what).__name__) is type(what) and kind == ERROR
        if simple and session.replies.send_simple((type(what).__name__, what.args), RAISED):
            return
        session.pending = kind, what
        session.replies.send_simple(None, FETCH)
