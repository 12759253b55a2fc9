"""Calls that come through shared memory: the server's side.

Idea: all clients of the family put their requests into one channel, and one thread carries out
those that are prompt (`_prompt`), one after the other, and puts each result into the channel of the
client that called. It never waits for anybody and runs no code but the interpreter's and ours (but
for the destructor of what a call drops, and the ``__eq__`` of what a list contains): requests and
results are plain objects. Whatever else there is goes by the client's connection, where a thread
serves it alone: the client is told to come there with the call (WAIT, ELSEWHERE), or for the
result (FETCH).

Invariant: a request is carried out while its session is open, in whole, or not at all. What a
client had not taken when its session ended is undone, and nothing of a closed session is done
later: so who died has not got a lock afterwards.

Crash: a client that is killed leaves at most one request and one result, both in channels that stay
whole; its reply channel goes with the last of the two who hold it.

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
from ._nonblocking import Method, is_prompt
from ._objects import Referents
from ._protocol import DONE, ELSEWHERE, ERROR, FETCH, PLAIN_ERRORS, RAISED, RETURN, TRACEBACK, WAIT
from ._replies import error_answer
from ._sessions import Caller
from ._wait_queue import MustWait, service

Answer = tuple[str, Any]


class _Session:
    """A thread of a client, as far as it calls through channels.

    Attributes:
        pending: an answer that the client has been told to fetch.
        undo: what takes back the last call, should the client not learn of its result.
    """

    __slots__ = ("caller", "pending", "replies", "undo")

    def __init__(self, caller: Caller, replies: _core.TaskChannel):
        self.caller, self.replies = caller, replies
        self.pending: Answer | None = None
        self.undo: Callable[[], object] | None = None


class ChannelService:
    """Serves one channel of requests. Args: referents: whose methods are called."""

    def __init__(self, referents: Referents):
        self._referents = referents
        self._turn = allocate_lock()  # held while a request is carried out
        self._numbers = itertools.count(1)
        self._sessions: dict[int, _Session] = {}
        self._by_caller: dict[Caller, int] = {}
        self._requests: _core.TaskChannel | None = None
        self._last: _Session | None = None

    # ------------------------------------------------------------------------------------- sessions

    def open(self, caller: Caller, offset: int, serial: int) -> tuple[int, int, int]:
        """Have *caller* call through channels; its results go to the channel that is named.

        Returns:
            What it puts as the tag of its requests; offset and serial number of the channel
            for them.
        """
        replies = _core._attach(_core.TaskChannel, _core.family_id(), offset, serial)
        number = next(self._numbers)
        with self._turn:
            if self._requests is None:
                self._requests = _core.TaskChannel()
                threading.Thread(target=self._serve, name="manager-channel", daemon=True).start()
            self._sessions[number] = _Session(caller, replies)
            self._by_caller[caller] = number
        return number, self._requests.offset, self._requests.serial

    def fetch(self, caller: Caller) -> Answer:
        """Return the answer that *caller* is to fetch. Raises: KeyError: there is none."""
        with self._turn:
            session = self._sessions[self._by_caller[caller]]
            answer, session.pending = session.pending, None
            undo, session.undo = session.undo, None
        if answer is None:
            raise KeyError("there is no answer to fetch")
        service.undo = undo
        return answer

    def close(self, caller: Caller) -> None:
        """*caller* has gone: undo what it never learned of. Called by the thread that served it."""
        with self._turn:
            number = self._by_caller.pop(caller, None)
            if number is None:
                return
            session = self._sessions.pop(number)
            if self._last is session:
                self._last = None
        untaken = session.pending is not None or session.replies.qsize() > 0
        if untaken and session.undo is not None:
            session.undo()

    def end(self) -> None:
        """Answer nobody any more, and tell so whoever waits or comes later."""
        with self._turn:
            requests, self._requests = self._requests, None
            if requests is not None:
                requests.shutdown(immediate=True)
            for session in self._sessions.values():
                session.replies.shutdown()

    # ---------------------------------------------------------------------------------------- calls

    def _serve(self) -> None:
        """Carry out requests, until the channel is shut down."""
        assert self._requests is not None
        service.may_wait = False
        get, sessions, turn = self._requests.get_tagged, self._sessions, self._turn
        while True:
            try:
                _, number, _, request, error = get(None)
            except ShutDown:
                return
            except Exception as trouble:  # noqa: BLE001 - no memory, or a channel that is damaged
                log.sub_warning("manager cannot receive from its clients: %r", trouble)
                self.end()  # they come again, to a new channel
                return
            with turn:
                session = sessions.get(number)
                if session is not None:
                    self._serve_one(session, request, error)
            # Nothing of this call stays alive while the thread waits for the next.
            del session, request, error

    def _serve_one(self, session: _Session, request: Any, error: BaseException | None) -> None:
        last, self._last = self._last, session
        if last is not session and last is not None and not last.replies.qsize():
            last.undo = None  # what it got has arrived
        try:
            self._carry_out(session, request, error)
        except Exception as trouble:  # noqa: BLE001 - no memory for an answer, say
            log.sub_warning("manager cannot answer a client: %r", trouble)
            session.pending = TRACEBACK, ""
            session.replies.shutdown()  # which tells the client

    def _carry_out(self, session: _Session, request: Any, error: BaseException | None) -> None:
        service.conversation = caller = session.caller
        service.client = caller.client
        service.undo = None
        try:
            if error is not None:
                raise error
            ident, name, args, kwds = request
            method = self._method(ident, name)
            if isinstance(method, int):
                session.replies.put_plain(None, method)
                return
            result = method(*args, **dict(kwds)) if kwds else method(*args)
        except MustWait:
            session.replies.put_plain(None, WAIT)
        except Exception as problem:  # noqa: BLE001 - the client gets it
            self._raised(session, problem)
        else:
            session.undo = service.undo
            self._result(session, result)

    def _method(self, ident: str, name: str) -> Method | int:
        """The method, if it can be called here; else what to tell the client."""
        try:
            referent = self._referents.get(ident)
        except KeyError:
            return WAIT  # the connection's thread knows what to say to that
        method: Method | None = referent.prompt.get(name)
        if method is not None:
            return method
        makes_referents = name in (referent.method_to_typeid or ())
        if name not in referent.exposed or makes_referents or not is_prompt(referent.obj, name):
            return ELSEWHERE
        method = referent.prompt[name] = getattr(referent.obj, name)
        return method

    def _result(self, session: _Session, result: Any) -> None:
        try:
            if session.replies.put_plain(result, DONE):
                return
        except (MemoryError, OSError) as error:
            log.info("a result did not fit into shared memory: %r", error)
        session.pending = RETURN, result
        session.replies.put_plain(None, FETCH)

    def _raised(self, session: _Session, error: Exception) -> None:
        kind, what = error_answer(error)
        plain = PLAIN_ERRORS.get(type(what).__name__) is type(what) and kind == ERROR
        if plain and session.replies.put_plain((type(what).__name__, what.args), RAISED):
            return
        session.pending = kind, what
        session.replies.put_plain(None, FETCH)
