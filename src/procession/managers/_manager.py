"""`BaseManager`: a class of managers, which starts a server or uses one.

Idea: a class of managers is a registry of types. `start` runs a server for them in a child process,
`connect` uses a server that is there, `get_server` is for a process that is to be the server.

Invariant: a server that was started ends with the manager object, or at the latest with the process
of that object, however it ends. An error while the server starts is raised by `start`.

Layer: pools and managers; imports base, ipc and processes by way of the default context.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Self

from .. import util
from .._base import hooks, log, runtime, safe_text
from .._base.errors import AuthenticationError, ProcessError
from ..connection import Pipe
from ..pool._remote_errors import portable
from ..process import AuthenticationString
from ._protocol import RemoteError, Token
from ._proxy import STARTED, AutoProxy, make_counted_proxy
from ._registry import client_for, forget, set_ssl_context
from ._server import Registry, Server
from ._transport import listener_client

if TYPE_CHECKING:
    import ssl

    from ..process import BaseProcess

    Security = ssl.SSLContext | Callable[[bool], ssl.SSLContext] | None


class State:
    """The state of a manager object: `value` is one of the other attributes."""

    __slots__ = ("value",)

    INITIAL = 0
    STARTED = STARTED
    SHUTDOWN = 2

    value: int


class BaseManager:
    """A registry of types, and a server in which objects of these types can be made.

    Args:
        address: the server's, as for `connection.Listener`; None for a fresh one of this machine.
        authkey: the secret that both sides must know; None for this process's key.
        serializer: 'pickle', or 'xmlrpclib'.
        ctx: the context whose processes are used; None for the default one.
        shutdown_timeout: seconds for the server to end by itself, and after each signal.
        ssl_context: for connections through TLS: a context for the side that this process is, or
            a function that makes one and is called with True for the server's side. `start` makes
            both sides, so it needs the function.
    """

    _registry: ClassVar[dict[str, Any]] = {}
    _Server: ClassVar[type[Server]] = Server

    shutdown: Callable[[], object]
    """End the server. It is an attribute of managers that have started one."""

    def __init__(
        self,
        address: Any = None,
        authkey: bytes | None = None,
        serializer: str = "pickle",
        ctx: Any = None,
        *,
        shutdown_timeout: float = 1.0,
        ssl_context: Security = None,
    ):
        if authkey is None:
            authkey = runtime.current_process().authkey
        self._address = address
        self._authkey = AuthenticationString(authkey)
        self._state = State()
        self._state.value = State.INITIAL
        self._serializer = serializer
        self._Listener, self._Client = listener_client[serializer]
        default: Any = hooks.default_context
        self._ctx = ctx or default.get_context()
        self._shutdown_timeout = shutdown_timeout
        self._ssl_context = ssl_context
        self._process: BaseProcess | None = None

    # ----------------------------------------------------------------------------- server or client

    def get_server(self) -> Server:
        """Return a server whose ``serve_forever`` makes this process the server.

        Raises:
            ProcessError: this object has been used for something else.
            OSError: the server cannot listen at the address.
        """
        self._check_unused()
        context = _context_for(self._ssl_context, server_side=True)
        options = {} if context is None else {"ssl_context": context}
        return self._Server(
            self._registry, self._address, self._authkey, self._serializer, **options
        )

    def connect(self) -> None:
        """Use the server that is at the address.

        Raises:
            AuthenticationError: it has another key.
            OSError: there is no server.
        """
        set_ssl_context(self._address, _context_for(self._ssl_context, server_side=False))
        self._client = client_for(self._serializer, self._address, self._authkey)
        self._client.reach("dummy")
        self._state.value = State.STARTED

    def start(
        self, initializer: Callable[..., object] | None = None, initargs: Iterable[Any] = ()
    ) -> None:
        """Start a server in a child process, which calls *initializer* first.

        Raises:
            ProcessError: it was started before.
            TypeError: *initializer* cannot be called.
            Exception: what failed in the child: an OSError of the address, say, or what the
                initializer raised.
        """
        self._check_unused()
        if initializer is not None and not callable(initializer):
            raise TypeError("initializer must be a callable")
        if self._ssl_context is not None and not callable(self._ssl_context):
            raise TypeError("to start a server with TLS, ssl_context must be a function; see there")
        self._process, self._address = self._start_server(initializer, initargs)
        set_ssl_context(self._address, _context_for(self._ssl_context, server_side=False))
        self._client = client_for(self._serializer, self._address, self._authkey)
        self._state.value = State.STARTED
        self.shutdown = util.Finalize(
            self,
            type(self)._finalize_manager,
            args=(self._process, self._client, self._state, self._shutdown_timeout),
            exitpriority=0,
        )

    def _check_unused(self) -> None:
        if self._state.value == State.STARTED:
            raise ProcessError("Already started server")
        if self._state.value == State.SHUTDOWN:
            raise ProcessError("Manager has shut down")

    def _start_server(
        self, initializer: Callable[..., object] | None, initargs: Iterable[Any]
    ) -> tuple[Any, Any]:
        """Start a server; return its process and its address."""
        reader, writer = Pipe(duplex=False)
        with reader:
            with writer:
                process = self._ctx.Process(
                    target=type(self)._run_server,
                    args=(
                        *(self._registry, self._address, self._authkey, self._serializer),
                        *(writer, initializer, tuple(initargs), self._ssl_context),
                    ),
                    die_with_parent=True,
                )
                ident = ":".join(str(i) for i in process._identity)
                process.name = f"{type(self).__name__}-{ident}"
                process.start()
            try:
                started, result = reader.recv()
            except EOFError:
                process.join()
                raise EOFError(
                    f"the manager's process ended, exit code {process.exitcode}, before its "
                    f"server was started"
                ) from None
        if started:
            return process, result
        process.join()
        raise result

    @classmethod
    def _run_server(
        cls,
        registry: Registry,
        address: Any,
        authkey: bytes,
        serializer: str,
        writer: Any,
        initializer: Callable[..., object] | None = None,
        initargs: tuple[Any, ...] = (),
        ssl_context: Security = None,
    ) -> None:
        """Run the server; the target of the child process."""
        # Ctrl-C at a terminal is for the program; the server ends when the program tells it to.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            if initializer is not None:
                initializer(*initargs)
            context = _context_for(ssl_context, server_side=True)
            options = {} if context is None else {"ssl_context": context}
            server = cls._Server(registry, address, authkey, serializer, **options)
        except BaseException as error:  # noqa: BLE001 - `start` raises it, or its text
            said: BaseException = error
            if not isinstance(error, Exception):
                said = RemoteError(safe_text.traceback_of(error))
            with writer:
                writer.send((False, portable(said)))
            return
        with writer:
            writer.send((True, server.address))
        log.info("manager serving at %r", server.address)
        server.serve_forever()

    # ------------------------------------------------------------------------------------ referents

    def _create(self, typeid: str, /, *args: Any, **kwds: Any) -> tuple[Token, tuple[str, ...]]:
        """Make a referent in the server, counted for this process; return its token and methods."""
        if self._state.value != State.STARTED:  # the standard package has an assertion here
            raise AssertionError("server not yet started")
        ident, exposed = self._client.call_server("create", typeid, *args, **kwds)
        return Token(typeid, self._address, ident), tuple(exposed)

    def _debug_info(self) -> str:
        """Return a text about all referents."""
        return str(self._client.call_server("debug_info"))

    def _number_of_objects(self) -> int:
        """Return the number of referents."""
        return int(self._client.call_server("number_of_objects"))

    @property
    def address(self) -> Any:
        """The server's address."""
        return self._address

    def join(self, timeout: float | None = None) -> None:
        """Wait until the server's process has ended, or up to *timeout* seconds."""
        if self._process is not None:
            self._process.join(timeout)
            if not self._process.is_alive():
                self._process = None

    def __enter__(self) -> Self:
        if self._state.value == State.INITIAL:
            self.start()
        if self._state.value != State.STARTED:  # as in `_create`
            raise AssertionError("manager has shut down")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.shutdown()

    @staticmethod
    def _finalize_manager(process: Any, client: Any, state: State, timeout: float) -> None:
        """End the server: by a message, then by SIGTERM, then by SIGKILL."""
        if process.is_alive():
            log.info("sending shutdown message to manager")
            try:
                client.call_server("shutdown")
            except (OSError, EOFError, AuthenticationError) as error:
                log.info("manager does not answer: %r", error)
            for harder in (process.terminate, process.kill, None):
                process.join(timeout)
                if not process.is_alive() or harder is None:
                    break
                log.info("manager still alive after %s s", timeout)
                harder()
        state.value = State.SHUTDOWN
        forget(client.transport.address)

    # ------------------------------------------------------------------------------------- registry

    @classmethod
    def register(
        cls,
        typeid: str,
        callable: Callable[..., Any] | None = None,
        proxytype: Any = None,
        exposed: Iterable[str] | None = None,
        method_to_typeid: dict[str, str] | None = None,
        create_method: bool = True,
    ) -> None:
        """Make a type known to the class; managers get a method of that name, which makes proxies.

        Args:
            typeid: the type's name.
            callable: makes an object, in the server; None where the server is elsewhere. If the
                object's class has an attribute ``_nonblocking_``, the names of methods that never
                wait, one thread calls these for all clients of the family, which is several times
                faster.
            proxytype: makes a proxy; None for `AutoProxy`.
            exposed: the methods that proxies may call; None for the proxy type's, or, if that
                names none, all methods without an underscore.
            method_to_typeid: methods whose results are to be proxies, and of which type.
            create_method: whether managers get the method; a type of results needs none.
        """
        if "_registry" not in cls.__dict__:
            cls._registry = cls._registry.copy()
        proxytype = proxytype or AutoProxy
        exposed = exposed or getattr(proxytype, "_exposed_", None)
        method_to_typeid = method_to_typeid or getattr(proxytype, "_method_to_typeid_", None)
        for method, result_type in (method_to_typeid or {}).items():
            if not isinstance(method, str) or not isinstance(result_type, str):
                raise TypeError(f"{method!r}: {result_type!r} are not two names")
        cls._registry[typeid] = (callable, exposed, method_to_typeid, proxytype)
        if create_method:
            setattr(cls, typeid, _creator(typeid, proxytype))


def _creator(typeid: str, proxytype: Callable[..., Any]) -> Callable[..., Any]:
    """Return the method of managers that makes a referent and returns a proxy for it."""

    def create(self: BaseManager, /, *args: Any, **kwds: Any) -> Any:
        log.debug("requesting creation of a shared %r object", typeid)
        token, exposed = self._create(typeid, *args, **kwds)
        return make_counted_proxy(proxytype, token, self._serializer, self, self._authkey, exposed)

    create.__name__ = typeid
    create.__qualname__ = f"BaseManager.{typeid}"
    return create


def _context_for(security: Security, server_side: bool) -> Any:
    """Return the TLS context for one side; None for connections without TLS."""
    return security(server_side) if callable(security) else security
