"""The server of a manager: one thread per connection, and the functions that clients call.

Idea: a connection begins with the call of a function of the server; as a rule it ends after the
reply. The function ``accept_connection`` makes it a connection for methods of referents, for as
many calls as the client likes. There, a client that uses this package too calls the server's
functions as well: by a request without a referent.

Invariant: what a method raises goes to the caller and nowhere else; a request that makes no sense
is answered by a traceback and does no harm. Nothing is read from a peer that does not know the key.

Layer: pools and managers; imports base and ipc.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, ClassVar, NoReturn

from .. import _core
from .._base import log, runtime, safe_text
from .._base.errors import AuthenticationError
from . import _call_thread
from ._connection import MessageConnection
from ._objects import Holder, Referent, Referents
from ._protocol import PROXY, RETURN, TRACEBACK, UNSERIALIZABLE, Reply, Token
from ._replies import error_reply
from ._sessions import PROTOCOL, Caller, Sessions, is_hello
from ._shm_server import ChannelService
from ._transport import connect_to_self, listen
from ._wait_queue import ClientGone, MustWait, current_call

# typeid -> what makes the referent, exposed methods, methods that return referents, proxy type
Registry = Mapping[
    str, tuple[Callable[..., Any] | None, Any, dict[str, str] | None, Callable[..., Any]]
]

BACKLOG = 128
ONE_WAY = ("release", "goodbye")  # functions whose callers get no reply


class Server:
    """Serves referents at an address.

    Args:
        registry: the types of referents; see `BaseManager.register`.
        address: where it listens; None for a fresh address.
        authkey: what clients must know.
        serializer: 'pickle' or 'xmlrpclib'.
        ssl_context: for TLS; None for connections without.
    """

    public: ClassVar[list[str]] = [
        *("shutdown", "create", "accept_connection", "get_methods", "debug_info"),
        *("number_of_objects", "dummy", "incref", "decref", "release", "lease", "goodbye"),
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
        self._local_holder = Holder()  # of leases for proxies that no call of a client has sent
        self.stop_event = threading.Event()
        self._shutdown_requested = False
        self._connection_closed = threading.Event()

    # ---------------------------------------------------------------------------- beginning and end

    def serve_forever(self) -> NoReturn:
        """Serve until a client calls ``shutdown``, or Ctrl-C; then exit the process."""
        process: Any = runtime.current_process()
        process._manager_server = self
        accepter = threading.Thread(target=self._accept, name="manager-accepter", daemon=True)
        try:
            accepter.start()
            while not self.stop_event.wait(self.referents.end_expired_leases()):
                log.sub_debug("manager looked for leases that have ended")
        except (KeyboardInterrupt, SystemExit):
            log.info("manager was interrupted")
        finally:
            process._manager_server = None
            self._channels.end()
            self._stop_accepting(accepter)
            _restore_standard_streams()
            log.debug("manager exiting")
            sys.exit(0)

    def _stop_accepting(self, accepter: threading.Thread) -> None:
        """Have the thread *accepter* close the listener, and end."""
        self.stop_event.set()
        self._connection_closed.set()
        if self.listener._listener is None:
            return
        try:
            with connect_to_self(self.address, self.authkey, self._secure):
                accepter.join(1.0)
        except (OSError, EOFError, AuthenticationError) as error:
            log.info("manager's listener stays open until the process ends: %s", error)

    def _accept(self) -> None:
        """Accept connections, and start a thread for each, until the server stops."""
        while not self.stop_event.is_set():
            self._connection_closed.clear()
            try:
                conn = self.listener.accept()
            except (AuthenticationError, EOFError) as error:
                log.info("manager refused a client: %s", error)
            except OSError as error:
                if self.stop_event.is_set() or self.listener._listener is None:
                    break
                log.sub_warning("manager cannot accept: %s", error)
                self._connection_closed.wait(1.0)  # mostly no descriptor is free; one may be later
            else:
                if self.stop_event.is_set():
                    conn.close()
                    break
                _call_thread.start(self.handle_request, conn)
        self.listener.close()

    # ---------------------------------------------------------------------------------- connections

    def handle_request(self, conn: Any) -> None:
        """Serve a connection from its first request to its end."""
        connection = MessageConnection(conn)
        caller = Caller()
        current_call.fd, current_call.caller = connection.fileno(), caller
        try:
            self._serve_first(connection, caller)
        except (EOFError, OSError, ClientGone) as error:
            log.debug("manager's client is gone: %r", error)
        finally:
            self._channels.close(caller)
            current_call.clear()
            connection.close()
            self._sessions.leave(caller)
            self._connection_closed.set()

    def _serve_first(self, conn: MessageConnection, caller: Caller) -> None:
        """Answer the first request, which calls a function of the server."""
        reply: Reply
        try:
            hello, name, args, kwds = self._receive(conn)
            if name == "accept_connection":
                threading.current_thread().name = str(*args)
                if is_hello(hello):
                    self._sessions.join(caller, hello)
                    current_call.client = caller.client
                reply = RETURN, (PROTOCOL, _core.family_id()) if caller.client else None
            else:
                reply = RETURN, self._public_function(name)(conn, *args, **kwds)
        except ClientGone:
            raise
        except BaseException as error:  # noqa: BLE001 - the client gets it, sys.exit() too
            name, reply = "", (TRACEBACK, safe_text.traceback_of(error))
        _deliver(conn, reply)
        if name == "accept_connection":
            conn.same_library = caller.client is not None
            self.serve_client(conn)
        elif self._shutdown_requested:
            self.stop_event.set()

    def serve_client(self, conn: MessageConnection) -> None:
        """Answer requests until the client ends the connection."""
        while True:
            current_call.undo = None
            try:
                request = self._receive(conn)
            except ClientGone:
                return
            except BaseException as error:  # noqa: BLE001 - what the classes named in it raise
                _deliver(conn, (TRACEBACK, safe_text.traceback_of(error)))
                continue
            reply = self._reply_to(conn, request)
            # Nothing of this call stays alive while the thread waits for the next.
            request = None
            if reply is not None:
                _deliver(conn, reply)
                reply = None
            if self._shutdown_requested:
                self.stop_event.set()
                return

    @staticmethod
    def _receive(conn: MessageConnection) -> Any:
        """Return the next request. Raises: ClientGone: there is none; what unpickling raises."""
        try:
            message = conn.recv_encoded()
        except (EOFError, OSError) as error:
            raise ClientGone from error
        return conn.decode(message)

    def _reply_to(self, conn: MessageConnection, request: Any) -> Reply | None:
        """Do what *request* asks for; return the reply, None if it wants none."""
        try:
            ident, name, args, kwds = request
            if ident is None and conn.same_library:
                return self._call_function(conn, name, args, kwds)
            return self._call_method(ident, name, args, kwds, current_call.client)
        except (ClientGone, MustWait):
            raise
        except BaseException as error:  # noqa: BLE001 - the client gets it
            return TRACEBACK, safe_text.traceback_of(error)

    def _call_function(
        self, conn: MessageConnection, name: str, args: Any, kwds: Any
    ) -> Reply | None:
        """Call a function of the server, for a client that uses this package."""
        if name == "fetch":
            return self._channels.fetch(current_call.caller)
        result = self._public_function(name)(conn, *args, **kwds)
        return None if name in ONE_WAY else (RETURN, result)

    def _public_function(self, name: Any) -> Callable[..., Any]:
        if name not in self.public:
            raise AttributeError(f"{name!r} is not a function of the manager: {self.public}")
        return getattr(self, name)  # type: ignore[no-any-return]

    # -------------------------------------------------------------------------------------- methods

    def _call_method(
        self, ident: str, name: str, args: Any, kwds: Any, holder: Holder | None
    ) -> Reply:
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
        except (ClientGone, MustWait):
            raise
        except BaseException as error:  # noqa: BLE001 - the client gets it
            return error_reply(error)
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

    def call_local(self, ident: str, name: str, args: Any, kwds: Any) -> Reply:
        """Call a method for a proxy in the server's own process.

        A referent that this makes is counted without a holder: `Referents.decref` undoes that.
        """
        try:
            return self._call_method(ident, name, args, kwds, None)
        except (ClientGone, MustWait):
            raise
        except BaseException as error:  # noqa: BLE001 - the caller gets it
            return TRACEBACK, safe_text.traceback_of(error)

    # ----------------------------------------------- functions that clients call; c: the connection

    def create(
        self, c: Any, typeid: str, /, *args: Any, **kwds: Any
    ) -> tuple[str, tuple[str, ...]]:
        """Make a referent; return its id and the methods it exposes."""
        made = self._make(typeid, args, kwds, current_call.client)
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
        """Return the methods that a referent exposes."""
        return tuple(self.referents.get(token.id).exposed)

    def incref(self, c: Any, ident: str) -> None:
        """Count a reference of the client."""
        self.referents.incref(ident, current_call.client)

    def decref(self, c: Any, ident: str) -> None:
        """Give back a reference of the client."""
        self.referents.decref(ident, current_call.client)

    def release(self, c: Any, idents: list[str]) -> None:
        """Give back references of the client, which gets no reply."""
        for ident in idents:
            self.referents.decref(ident, current_call.client)

    def lease(self, c: Any, ident: str) -> str:
        """Return an id with which a referent lives until the receiver of the id has counted it."""
        return self.lease_local(ident)

    def lease_local(self, ident: str) -> str:
        """Return an id for a proxy that this thread pickles, which keeps the referent alive.

        There is no lease for a client that has not said which process it is: none could end it.
        """
        if current_call.client is None and current_call.caller is not None:
            return ident
        return self.referents.lease(ident, current_call.client or self._local_holder)

    def open_channel(self, c: Any, offset: int, serial: int) -> tuple[int, int, int]:
        """Open channels for the calling thread of a client that is of our family."""
        return self._channels.open(current_call.caller, offset, serial)

    def goodbye(self, c: Any) -> None:
        """Note that the client will end in good order."""
        if current_call.client is not None:
            current_call.client.said_goodbye = True

    def number_of_objects(self, c: Any) -> int:
        """Return the number of referents."""
        return len(self.referents)

    def debug_info(self, c: Any) -> str:
        """Return a text with each referent: its id, the count of its references, what it is."""
        return "\n".join(
            f"  {referent.id}:       refcount={referent.count}\n"
            f"    {safe_text.text_of(referent.obj, str)[:75]}"
            for referent in self.referents.list()
        )

    def dummy(self, c: Any) -> None:
        """Do nothing: the client wants to know whether there is a server."""

    def shutdown(self, c: Any) -> None:
        """End the server, once the client has its reply."""
        log.debug("manager received shutdown message")
        self._shutdown_requested = True


def public_methods(obj: Any) -> list[str]:
    """Return the names of the methods of *obj* that do not begin with an underscore."""
    return [name for name in all_methods(obj) if name[0] != "_"]


def all_methods(obj: Any) -> list[str]:
    """Return the names of all methods of *obj*."""
    return [name for name in dir(obj) if callable(getattr(obj, name))]


def _deliver(conn: MessageConnection, reply: Reply) -> None:
    """Send *reply*, or the error that keeps it from being sent. Raises: OSError: as `send`."""
    try:
        message = conn.encode(reply)
    except BaseException as error:  # noqa: BLE001 - the client gets it
        message = conn.encode((UNSERIALIZABLE, safe_text.traceback_of(error)))
    try:
        conn.send_encoded(message)
    except OSError:
        undo, current_call.undo = current_call.undo, None
        if undo is not None:
            undo()
        raise


def _restore_standard_streams() -> None:
    """Put back the streams of the interpreter; those of the program end with its work."""
    sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
