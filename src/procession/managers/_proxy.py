"""Proxies: objects whose methods are carried out in a manager.

Idea: a proxy is a token and a way to its manager. It is counted there from its making to its end;
sent to another process it arrives as a proxy of its own, counted anew, with a lease for the time
between.

Invariant: a proxy in its manager's own process goes no way at all: it calls the referent, and keeps
it alive as any object does.

Layer: pools and managers; imports base and ipc.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .. import util
from .._base import launch_state, log, runtime
from .._launch.authkey import AuthenticationString
from ._client import Peer, home_of, key_for, note_home, peer_at
from ._protocol import PROXY, RETURN, Token, convert_to_error
from ._transport import listener_client

# What the results of methods are made into where the manager object is not at hand.
_default_proxies: dict[str, Callable[..., Any]] = {}

STARTED = 1


class BaseProxy:
    """A stand-in for an object in a manager. Made by managers, not by programs.

    Args:
        token: which referent.
        serializer, authkey: see `BaseManager`; None for the manager's key, or this process's.
        manager: the manager object, if at hand.
        exposed: the methods; of use to subclasses.
        incref: whether the proxy counts.
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
        self._peer = peer_at(serializer, token.address, self._authkey)
        self._close: util.Finalize | None = None
        if incref:
            self._incref()
        util.register_after_fork(self, BaseProxy._after_fork)

    def _callmethod(
        self, methodname: str, args: Iterable[Any] = (), kwds: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a method of the referent and return the result, or a proxy for it.

        Raises:
            RemoteError: there is no such method, or it is not exposed.
            ManagerLostError: the manager has ended, or does so now.
            Exception: what the method raised; its cause is the traceback in the manager.
        """
        if self._server is not None:
            kind, result = self._server.call_local(self._id, methodname, args, kwds or {})
        else:
            kind, result = self._peer.call(self._token, methodname, args, kwds or {})
        if kind == RETURN:
            return result
        if kind == PROXY:
            return self._proxy_of(*result)
        error = convert_to_error(kind, result)
        try:
            raise error
        finally:
            del error, result  # else exception and frame would keep one another

    def _proxy_of(self, exposed: Iterable[str], token: Token) -> Any:
        """A proxy for the result of a method, which the manager has counted for us."""
        known = _default_proxies.get(token.typeid, AutoProxy)
        if self._manager is not None:
            known = self._manager._registry[token.typeid][-1]
        token.address = self._token.address
        return make_counted(
            known, token, self._serializer, self._manager, self._authkey, exposed, self._server
        )

    def _getvalue(self) -> Any:
        """Return a copy of the referent. Raises: RemoteError: it cannot be pickled."""
        return self._callmethod("#GETVALUE")

    def _local_referent(self) -> Any:
        """The referent itself, in its manager's own process; elsewhere the proxy."""
        return self if self._server is None else self._server.referents.get(self._id).obj

    # ------------------------------------------------------------------------------------- counting

    def _incref(self) -> None:
        """Count this proxy, until it is garbage or the process exits."""
        if self._server is not None:
            ident = self._server.referents.hold(self._token.id)
            self._finalize_with(self._server.referents.let_go, ident)
            return
        if not self._peer.take_grant(self._token.id):
            self._peer.control("incref", self._token.id)
        ident = self._token.id.partition(".")[0]  # what follows was the lease, which has ended now
        state = self._manager and self._manager._state
        self._finalize_with(_decref, ident, self._peer, state)

    def _finalize_with(self, callback: Callable[..., Any], ident: str, *more: Any) -> None:
        self._token = Token(self._token.typeid, self._token.address, ident)
        self._id = ident
        self._close = util.Finalize(self, callback, (ident, *more), exitpriority=10)
        self._counted_in = os.getpid()

    def _after_fork(self) -> None:
        """In a child: count once more."""
        self._manager = None
        if self._close is None:
            return
        if self._counted_in == os.getpid():
            # It came with the process object, by the fork server; only its end was forgotten.
            self._finalize_with(_decref, self._id, self._peer, None)
            return
        self._server = None
        try:
            self._incref()
        except Exception as error:  # noqa: BLE001 - the proxy may never be used here
            log.info("incref failed: %s", error)

    # --------------------------------------------------------------------------------------- travel

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
        """The token for a proxy that is to be made elsewhere."""
        if self._server is not None:
            ident = self._server.lease_local(self._id)
        else:
            ident = self._peer.lease(self._id)
        return Token(self._token.typeid, self._token.address, ident)

    def __deepcopy__(self, memo: Any) -> Any:
        return self._getvalue()

    # ----------------------------------------------------------------------------------------- text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} object, typeid {self._token.typeid!r} at {id(self):#x}>"

    def __str__(self) -> str:
        """Return what the referent's ``repr`` is, or a substitute if that fails."""
        try:
            return str(self._callmethod("__repr__"))
        except Exception:  # noqa: BLE001 - the substitute says so
            return repr(self)[:-1] + "; '__str__()' failed>"


def _chosen_key(authkey: bytes | None, manager: Any, token: Token) -> bytes:
    """The key for a proxy: the first that is known of those that it may have."""
    if authkey is None and manager is not None:
        authkey = manager._authkey
    if authkey is None:
        authkey = key_for(token.address)
    return runtime.current_process().authkey if authkey is None else authkey


def _decref(ident: str, peer: Peer, state: Any) -> None:
    """A proxy has ended. Not to be told to a manager that has been shut down."""
    if state is None or state.value == STARTED:
        peer.release(ident)


def make_counted(
    proxytype: Callable[..., Any],
    token: Token,
    serializer: str,
    manager: Any,
    authkey: bytes,
    exposed: Iterable[str],
    server: Any = None,
) -> Any:
    """Return a proxy for a referent that was already counted for it."""
    options = {"manager": manager, "authkey": authkey, "exposed": exposed}
    if server is not None:
        proxy = proxytype(token, serializer, manager_owned=True, **options)
        server.referents.decref(token.id, None)
        return proxy
    peer = peer_at(serializer, token.address, authkey)
    ident = token.id
    note_home(ident, token.address)
    peer.grant(ident)
    try:
        return proxytype(token, serializer, **options)
    finally:
        if peer.take_grant(ident):  # the proxy does not count
            peer.release(ident)


def _own_server() -> Any:
    """The server that this process is; None if it is none."""
    return getattr(runtime.current_process(), "_manager_server", None)


def RebuildProxy(
    func: Callable[..., Any], token: Token, serializer: str, kwds: dict[str, Any]
) -> Any:
    """Make the proxy that a pickle holds."""
    server = _own_server()
    if server is not None and token.id in server.referents:
        kwds = {**kwds, "manager_owned": True}
    token.address = home_of(token.id) or token.address
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
    """A method that calls *method* of the referent."""

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
        exposed = peer_at(serializer, token.address, authkey).control("get_methods", token)
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
