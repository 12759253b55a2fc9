"""Proxies: objects whose methods are carried out in a manager.

Idea: a proxy is a token and the client for its manager. The manager counts it from the time when it
is made until it is garbage. A proxy that is sent to another process arrives as another proxy, which
is counted for itself; a lease covers the time between.

Invariant: a proxy in its manager's own process uses no connection: it calls the referent, and keeps
it alive as any reference does.

Layer: pools and managers; imports base and ipc.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import util
from .._base import launch_state, log, runtime
from ..process import AuthenticationString
from ._client import ManagerClient
from ._protocol import PROXY, RETURN, Token, convert_to_error
from ._registry import address_of, authkey_for, client_for, set_address
from ._transport import listener_client

# typeid -> proxy type, for results of methods where the manager object is not at hand.
_default_proxies: dict[str, Callable[..., Any]] = {}

STARTED = 1


class BaseProxy:
    """A stand-in for an object in a manager. Made by managers, not by programs.

    Args:
        token: names the referent.
        serializer, authkey: see `BaseManager`; None for the manager's key, or this process's.
        manager: the manager object, if at hand.
        exposed: the methods; for subclasses.
        incref: whether the proxy is counted.
        manager_owned: whether it is in the manager's own process.
    """

    def __init__(
        self,
        token: Token,
        serializer: str,
        manager: Any = None,
        authkey: bytes | None = None,
        exposed: Iterable[str] | None = None,
        incref: bool = True,
        manager_owned: bool = False,
    ):
        self._token, self._serializer, self._manager = token, serializer, manager
        self._id = token.id
        self._authkey = AuthenticationString(_chosen_key(authkey, manager, token))
        self._server = _own_server() if manager_owned else None
        self._client = client_for(serializer, token.address, self._authkey)
        self._close: util.Finalize | None = None
        if incref:
            self._incref()
        util.register_after_fork(self, BaseProxy._after_fork)

    def _callmethod(
        self, methodname: str, args: Iterable[Any] = (), kwds: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a method of the referent; return the result, or a proxy for it.

        Raises:
            RemoteError: there is no such method, or it is not exposed.
            ManagerLostError: the manager has ended, or ends during the call.
            Exception: what the method raised; its cause is the traceback in the manager.
        """
        if self._server is not None:
            kind, result = self._server.call_local(self._id, methodname, args, kwds or {})
        else:
            kind, result = self._client.call(self._token, methodname, args, kwds or {})
        if kind == RETURN:
            return result
        if kind == PROXY:
            return self._proxy_of(*result)
        error = convert_to_error(kind, result)
        try:
            raise error
        finally:
            del error, result  # else the exception and this frame would keep each other alive

    def _proxy_of(self, exposed: Iterable[str], token: Token) -> Any:
        """Return a proxy for the result of a method, which the manager has counted already."""
        proxytype = _default_proxies.get(token.typeid, AutoProxy)
        if self._manager is not None:
            proxytype = self._manager._registry[token.typeid][-1]
        token.address = self._token.address
        return make_counted_proxy(
            proxytype, token, self._serializer, self._manager, self._authkey, exposed, self._server
        )

    def _getvalue(self) -> Any:
        """Return a copy of the referent. Raises: RemoteError: it cannot be pickled."""
        return self._callmethod("#GETVALUE")

    def _local_referent(self) -> Any:
        """Return the object itself, in its manager's own process; elsewhere the proxy."""
        return self if self._server is None else self._server.referents.get(self._id).obj

    # ------------------------------------------------------------------------------------- counting

    def _incref(self) -> None:
        """Count this proxy, until it is garbage or the process exits."""
        if self._server is not None:
            ident = self._server.referents.incref_local(self._token.id)
            self._finalize_with(self._server.referents.decref_local, ident)
            return
        if not self._client.precounted.remove(self._token.id):
            self._client.call_server("incref", self._token.id)
        ident = self._token.id.partition(".")[0]  # the rest names the lease, which has ended now
        state = self._manager and self._manager._state
        self._finalize_with(_decref, ident, self._client, state)

    def _finalize_with(self, callback: Callable[..., Any], ident: str, *more: Any) -> None:
        """Have *callback* called with *ident* and *more* when this proxy ends."""
        self._token = Token(self._token.typeid, self._token.address, ident)
        self._id = ident
        self._close = util.Finalize(self, callback, (ident, *more), exitpriority=10)
        self._counted_by_pid = os.getpid()

    def _after_fork(self) -> None:
        """Count this proxy in a child, too."""
        self._manager = None
        if self._close is None:
            return
        if self._counted_by_pid == os.getpid():
            # This process counted it when it unpickled it, as a part of the process object; after
            # that the finalizers were cleared.
            self._finalize_with(_decref, self._id, self._client, None)
            return
        self._server = None
        try:
            self._incref()
        except Exception as error:  # noqa: BLE001 - the proxy may never be used here
            log.info("incref failed: %s", error)

    # ------------------------------------------------------------------------------------- pickling

    def __reduce__(self) -> tuple[Any, ...]:
        kwds: dict[str, Any] = {}
        if launch_state.spawning_popen() is not None:
            kwds["authkey"] = self._authkey
        func: Any = type(self)
        if getattr(self, "_isauto", False):
            kwds["exposed"] = self._exposed_  # type: ignore[attr-defined]
            func = AutoProxy
        return RebuildProxy, (func, self._leased_token(), self._serializer, kwds)

    def _leased_token(self) -> Token:
        """Return the token for a proxy that another process makes, with a lease until then."""
        if self._server is not None:
            ident = self._server.lease_local(self._id)
        else:
            ident = self._client.lease(self._id)
        return Token(self._token.typeid, self._token.address, ident)

    def __deepcopy__(self, memo: Any) -> Any:
        return self._getvalue()

    # ----------------------------------------------------------------------------------------- text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object, typeid {self._token.typeid!r} at {id(self):#x}>"

    def __str__(self) -> str:
        """Return the referent's ``repr``, or a substitute if that fails."""
        try:
            return str(self._callmethod("__repr__"))
        except Exception:  # noqa: BLE001 - the substitute says so
            return repr(self)[:-1] + "; '__str__()' failed>"


def _chosen_key(authkey: bytes | None, manager: Any, token: Token) -> bytes:
    """Return the key for a proxy: its own, the manager object's, that of the address, ours."""
    if authkey is None and manager is not None:
        authkey = manager._authkey
    if authkey is None:
        authkey = authkey_for(token.address)
    return runtime.current_process().authkey if authkey is None else authkey


def _decref(ident: str, client: ManagerClient, state: Any) -> None:
    """Give back the reference of a proxy that has ended, unless the manager was shut down."""
    if state is None or state.value == STARTED:
        client.release(ident)


def make_counted_proxy(
    proxytype: Callable[..., Any],
    token: Token,
    serializer: str,
    manager: Any,
    authkey: bytes,
    exposed: Iterable[str],
    server: Any = None,
) -> Any:
    """Return a proxy for a referent that the manager has counted for it already."""
    options = {"manager": manager, "authkey": authkey, "exposed": exposed}
    if server is not None:
        proxy = proxytype(token, serializer, manager_owned=True, **options)
        server.referents.decref(token.id, None)
        return proxy
    client = client_for(serializer, token.address, authkey)
    ident = token.id
    set_address(ident, token.address)
    client.precounted.add(ident)
    try:
        return proxytype(token, serializer, **options)
    finally:
        if client.precounted.remove(ident):  # the proxy was made with incref=False, or not at all
            client.release(ident)


def _own_server() -> Any:
    """Return the server that this process is; None if it is not one."""
    return getattr(runtime.current_process(), "_manager_server", None)


def RebuildProxy(
    func: Callable[..., Any], token: Token, serializer: str, kwds: dict[str, Any]
) -> Any:
    """Return the proxy that a pickle stands for."""
    server = _own_server()
    if server is not None and token.id in server.referents:
        kwds = {**kwds, "manager_owned": True}
    token.address = address_of(token.id) or token.address
    incref = kwds.pop("incref", True)
    return func(token, serializer, incref=incref, **kwds)


# -------------------------------------------------------------------------------------- proxy types

_made_types: dict[tuple[str, tuple[str, ...]], type[BaseProxy]] = {}


def MakeProxyType(name: str, exposed: Iterable[str]) -> Any:
    """Return a subclass of `BaseProxy` with a method for each name in *exposed*."""
    exposed = tuple(exposed)
    known = _made_types.get((name, exposed))
    if known is None:
        body: dict[str, Any] = {method: _forwarder(method) for method in exposed}
        known = _made_types[name, exposed] = type(name, (BaseProxy,), body)
        known._exposed_ = exposed  # type: ignore[attr-defined]
    return known


def _forwarder(method: str) -> Callable[..., Any]:
    """Return a method of proxies that calls *method* of the referent."""

    def forward(self: Any, /, *args: Any, **kwds: Any) -> Any:
        return self._callmethod(method, args, kwds)

    forward.__name__ = method
    forward.__qualname__ = f"proxy.{method}"
    return forward


def AutoProxy(
    token: Token,
    serializer: str,
    manager: Any = None,
    authkey: bytes | None = None,
    exposed: Iterable[str] | None = None,
    incref: bool = True,
    manager_owned: bool = False,
) -> Any:
    """Return a proxy with the methods that the referent exposes."""
    authkey = _chosen_key(authkey, manager, token)
    if exposed is None:
        exposed = client_for(serializer, token.address, authkey).call_server("get_methods", token)
    kind = MakeProxyType(f"AutoProxy[{token.typeid}]", sorted(exposed))
    proxy = kind(
        token,
        serializer,
        manager=manager,
        authkey=authkey,
        incref=incref,
        manager_owned=manager_owned,
    )
    proxy._isauto = True
    return proxy


__all__ = ["AutoProxy", "BaseProxy", "MakeProxyType", "RebuildProxy", "listener_client"]
