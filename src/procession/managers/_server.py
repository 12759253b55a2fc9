"""The server of a manager: one thread per connection, and the functions that clients call.

Idea: a connection begins with the call of a function of the server; most are over with its
answer. The function ``accept_connection`` makes it one for methods of referents, as many as the
client likes. There, a client that is kin calls the server's functions as well: a request without
a referent.

Invariant: what a method raises goes to the caller and nowhere else; a request that makes no sense
is answered by a traceback and harms nobody. Nothing is read from who does not know the key.

Layer: pools and managers; imports base and ipc.
"""

from __future__ import annotations

import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

from .. import _core
from .._base import log, runtime
from .._base.errors import AuthenticationError
from ._objects import Holder, Referent, Referents
from ._pickle import Conversation
from ._protocol import PROXY, RETURN, TRACEBACK, UNSERIALIZABLE, Token
from ._replies import error_answer
from ._sessions import PROTOCOL, Caller, Sessions, is_greeting
from ._shm_server import ChannelService
from ._transport import call_on, listen
from ._wait_queue import ClientGone, service

# typeid -> what makes the referent, methods exposed, those that return referents, proxy type
Registry = Mapping[
    str, tuple[Callable[..., Any] | None, Any, dict[str, str] | None, Callable[..., Any]]
]

BACKLOG = 128
ONE_WAY = ("release", "farewell")  # what kin says without waiting for an answer


class Server:
    """Serves referents at an address.

    Args:
        registry: the types of referents; see `BaseManager.register`.
        address: where; None for a fresh address.
        authkey: what clients must know.
        serializer: 'pickle' or 'xmlrpclib'.
    """

    public: ClassVar[list[str]] = [
        *("shutdown", "create", "accept_connection", "get_methods", "debug_info"),
        *("number_of_objects", "dummy", "incref", "decref", "release", "lease", "farewell"),
        "open_channel",
    ]

    def __init__(
        self,
        registry: Registry,
        address: Any,
        authkey: bytes,
        serializer: str,
        *,
        ssl_context: Any = None,
    ):
        if not isinstance(authkey, bytes):
            raise TypeError(f"Authkey {authkey!r} is type {type(authkey)!s}, not bytes")
        self.registry = registry
        self.authkey = authkey
        self.listener = listen(serializer, address, BACKLOG, authkey, ssl_context)
        self.address = self.listener.address
        self._secure = ssl_context is not None
        self.referents = Referents()
        self._sessions = Sessions(self.referents)
        self._channels = ChannelService(self.referents)
        self._own = Holder()  # of leases for proxies that no client's call has sent
        self.stop_event = threading.Event()
        self._told_to_end = False
        self._room = threading.Event()  # set when a connection has ended

    # ------------------------------------------------------------------------------------- its life

    def serve_forever(self) -> NoReturn:
        """Serve until a client calls ``shutdown``, or Ctrl-C; then exit the process."""
        process: Any = runtime.current_process()
        process._manager_server = self
        accepter = threading.Thread(target=self._accept, name="manager-accepter", daemon=True)
        try:
            accepter.start()
            while not self.stop_event.wait(self.referents.expire()):
                log.sub_debug("manager looked for leases that have ended")
        except (KeyboardInterrupt, SystemExit):
            log.info("manager was interrupted")
        finally:
            process._manager_server = None
            self._channels.end()
            self._wake(accepter)
            _restore_standard_streams()
            log.debug("manager exiting")
            sys.exit(0)

    def _wake(self, accepter: threading.Thread) -> None:
        """Have *accepter* close the listener, and end."""
        self.stop_event.set()
        self._room.set()
        if self.listener._listener is None:
            return
        try:
            with call_on(self.address, self.authkey, self._secure):
                accepter.join(1.0)
        except (OSError, EOFError, AuthenticationError) as error:
            log.info("manager's listener stays open until the process ends: %s", error)

    def _accept(self) -> None:
        """Let clients in, for ever."""
        while not self.stop_event.is_set():
            self._room.clear()
            try:
                conn = self.listener.accept()
            except (AuthenticationError, EOFError) as error:
                log.info("manager sent a client away: %s", error)
            except OSError as error:
                if self.stop_event.is_set() or self.listener._listener is None:
                    break
                log.sub_warning("manager cannot accept: %s", error)
                self._room.wait(1.0)  # as a rule no descriptor is free: one will be
            else:
                if self.stop_event.is_set():
                    conn.close()
                    break
                threading.Thread(
                    target=self.handle_request, args=(conn,), name="manager-call", daemon=True
                ).start()
        self.listener.close()

    # ---------------------------------------------------------------------------------- connections

    def handle_request(self, conn: Any) -> None:
        """Serve a connection from its first request to its end."""
        talk = Conversation(conn)
        caller = Caller()
        service.fd, service.conversation = talk.fileno(), caller
        try:
            self._serve_first(talk, caller)
        except (EOFError, OSError, ClientGone) as error:
            log.debug("manager's client has gone: %r", error)
        finally:
            self._channels.close(caller)
            service.end()
            talk.close()
            self._sessions.leave(caller)
            self._room.set()

    def _serve_first(self, talk: Conversation, caller: Caller) -> None:
        """Answer the first request, which calls a function of the server."""
        answer: tuple[str, Any]
        try:
            word, name, args, kwds = talk.recv()
            if name == "accept_connection":
                threading.current_thread().name = str(*args)
                if is_greeting(word):
                    self._sessions.join(caller, word)
                    service.client = caller.client
                answer = RETURN, (PROTOCOL, _core.family_id()) if caller.client else None
            else:
                answer = RETURN, self._function(name)(talk, *args, **kwds)
        except (EOFError, OSError, ClientGone):
            raise
        except Exception:  # noqa: BLE001 - the client gets it
            name, answer = "", (TRACEBACK, traceback.format_exc())
        _deliver(talk, answer)
        if name == "accept_connection":
            talk.kin = caller.client is not None
            self.serve_client(talk)
        elif self._told_to_end:
            self.stop_event.set()

    def serve_client(self, talk: Conversation) -> None:
        """Answer requests until the client ends the connection."""
        while True:
            service.undo = None
            try:
                request = talk.recv()
            except (EOFError, OSError):
                return
            except Exception:  # noqa: BLE001 - something in it cannot be unpickled here
                _deliver(talk, (TRACEBACK, traceback.format_exc()))
                continue
            answer = self._answer(talk, request)
            # Nothing of this call stays alive while the thread waits for the next.
            request = None
            if answer is not None:
                _deliver(talk, answer)
                answer = None
            if self._told_to_end:
                self.stop_event.set()
                return

    def _answer(self, talk: Conversation, request: Any) -> tuple[str, Any] | None:
        """Do what *request* asks for; None if it wants no answer."""
        try:
            ident, name, args, kwds = request
            if ident is None and talk.kin:
                return self._control(talk, name, args, kwds)
            return self._call(ident, name, args, kwds, service.client)
        except Exception:  # noqa: BLE001 - the client gets it
            return TRACEBACK, traceback.format_exc()

    def _control(
        self, talk: Conversation, name: str, args: Any, kwds: Any
    ) -> tuple[str, Any] | None:
        """Call a function of the server for kin."""
        if name == "fetch":
            return self._channels.fetch(service.conversation)
        result = self._function(name)(talk, *args, **kwds)
        return None if name in ONE_WAY else (RETURN, result)

    def _function(self, name: Any) -> Callable[..., Any]:
        if name not in self.public:
            raise AttributeError(f"{name!r} is not a function of the manager: {self.public}")
        return getattr(self, name)  # type: ignore[no-any-return]

    # -------------------------------------------------------------------------------------- methods

    def _call(
        self, ident: str, name: str, args: Any, kwds: Any, holder: Holder | None
    ) -> tuple[str, Any]:
        """Call a method of a referent for *holder*."""
        referent = self.referents.get(ident)
        if name not in referent.exposed:
            fallback = self.fallback_mapping.get(name)
            if fallback is not None:
                return RETURN, fallback(referent.obj, *args, **kwds)
            raise AttributeError(
                f"method {name!r} of {type(referent.obj)!r} object is not in "
                f"exposed={set(referent.exposed)!r}"
            )
        method = getattr(referent.obj, name)
        try:
            result = method(*args, **kwds)
        except Exception as error:  # noqa: BLE001 - the client gets it
            return error_answer(error)
        typeid = (referent.method_to_typeid or {}).get(name)
        if typeid is None:
            return RETURN, result
        made = self._make(typeid, (result,), {}, holder)
        return PROXY, (tuple(made.exposed), Token(typeid, self.address, made.id))

    fallback_mapping: ClassVar[dict[str, Callable[..., Any]]] = {
        "__str__": str,
        "__repr__": repr,
        "#GETVALUE": lambda obj: obj,
    }

    def call_local(self, ident: str, name: str, args: Any, kwds: Any) -> tuple[str, Any]:
        """Call a method for a proxy in the server's own process.

        A referent that this makes is counted for nobody: `Referents.decref` undoes that.
        """
        try:
            return self._call(ident, name, args, kwds, None)
        except Exception:  # noqa: BLE001 - the caller gets it
            return TRACEBACK, traceback.format_exc()

    # ----------------------------------------------- functions that clients call; c: the connection

    def create(
        self, c: Any, typeid: str, /, *args: Any, **kwds: Any
    ) -> tuple[str, tuple[str, ...]]:
        """Make a referent; its id and what it exposes."""
        made = self._make(typeid, args, kwds, service.client)
        return made.id, tuple(made.exposed)

    def _make(self, typeid: str, args: Any, kwds: Any, holder: Holder | None) -> Referent:
        """Make a referent, counted for *holder*."""
        make, exposed, method_to_typeid, _ = self.registry[typeid]
        if make is not None:
            obj = make(*args, **kwds)
        elif kwds or len(args) != 1:
            raise ValueError("Without callable, must have one non-keyword argument")
        else:
            obj = args[0]
        names = list(public_methods(obj) if exposed is None else exposed)
        if method_to_typeid is not None:
            if not isinstance(method_to_typeid, dict):
                raise TypeError(
                    f"method_to_typeid {method_to_typeid!r} is of {type(method_to_typeid)!s}"
                )
            names += method_to_typeid
        return self.referents.add(typeid, obj, names, method_to_typeid, holder)

    def get_methods(self, c: Any, token: Token) -> tuple[str, ...]:
        """The methods that a referent exposes."""
        return tuple(self.referents.get(token.id).exposed)

    def incref(self, c: Any, ident: str) -> None:
        """Count a reference of the client."""
        self.referents.incref(ident, service.client)

    def decref(self, c: Any, ident: str) -> None:
        """Give back a reference of the client."""
        self.referents.decref(ident, service.client)

    def release(self, c: Any, idents: list[str]) -> None:
        """Give back references of the client, who gets no answer."""
        for ident in idents:
            self.referents.decref(ident, service.client)

    def lease(self, c: Any, ident: str) -> str:
        """Keep a referent for whoever gets the id that is returned."""
        return self.lease_local(ident)

    def lease_local(self, ident: str) -> str:
        """Return an id for whoever gets a proxy that is pickled by this thread.

        For a client that has not said who it is there is no lease: nobody could end it.
        """
        if service.client is None and service.conversation is not None:
            return ident
        return self.referents.lease(ident, service.client or self._own)

    def open_channel(self, c: Any, offset: int, serial: int) -> tuple[int, int, int]:
        """Have the calling thread of the client, one of our family, call through channels."""
        return self._channels.open(service.conversation, offset, serial)

    def farewell(self, c: Any) -> None:
        """The client will end in good order."""
        if service.client is not None:
            service.client.farewell = True

    def number_of_objects(self, c: Any) -> int:
        """How many referents there are."""
        return len(self.referents)

    def debug_info(self, c: Any) -> str:
        """One entry for each referent: its id, the count of its references, what it is."""
        return "\n".join(
            f"  {referent.id}:       refcount={referent.count}\n    {str(referent.obj)[:75]}"
            for referent in self.referents.list()
        )

    def dummy(self, c: Any) -> None:
        """Nothing: the client wants to know whether somebody answers."""

    def shutdown(self, c: Any) -> None:
        """End the server, once the client has its answer."""
        log.debug("manager received shutdown message")
        self._told_to_end = True


def public_methods(obj: Any) -> list[str]:
    """Return the names of the methods of *obj* that do not begin with an underscore."""
    return [name for name in all_methods(obj) if name[0] != "_"]


def all_methods(obj: Any) -> list[str]:
    """Return the names of all methods of *obj*."""
    return [name for name in dir(obj) if callable(getattr(obj, name))]


def _deliver(talk: Conversation, answer: tuple[str, Any]) -> None:
    """Send *answer*, or why it cannot be sent. Raises: OSError: nobody is there any more."""
    try:
        message = talk.encode(answer)
    except Exception:  # noqa: BLE001 - the client gets it
        message = talk.encode((UNSERIALIZABLE, traceback.format_exc()))
    try:
        talk.send_encoded(message)
    except OSError:
        undo, service.undo = service.undo, None
        if undo is not None:
            undo()
        raise


def _restore_standard_streams() -> None:
    """What the program put in the place of the standard streams belongs to the process's life."""
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
