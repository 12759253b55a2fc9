"""The managers that this process knows: how each is reached, and the client for it.

Idea: proxies come in messages, from any process. They must find the connections that this process
has to their manager already, the key, and the way to go there. So these are looked up here, by the
manager's address, or by the suffix that all ids of a manager's referents end with.

Invariant: there is one `ManagerClient` for a manager; it lives as long as a proxy or a manager
object uses it. A forked child begins with clients that have no connection.

Layer: pools and managers; imports base and ipc.
"""

from __future__ import annotations

import os
import weakref
from typing import Any

from ._client import ManagerClient
from ._objects import SUFFIX_LENGTH
from ._transport import Transport

# (serializer, address, authkey) -> the client
_clients: weakref.WeakValueDictionary[Any, ManagerClient] = weakref.WeakValueDictionary()
_ssl_contexts: dict[Any, Any] = {}  # address -> what connections to it are made with
_addresses: dict[str, Any] = {}  # suffix of a manager's ids -> its address


def client_for(serializer: str, address: Any, authkey: bytes) -> ManagerClient:
    """Return this process's only client for that manager."""
    if isinstance(address, list):  # XML has no tuples
        address = tuple(address)
    key = serializer, address, bytes(authkey)
    client = _clients.get(key)
    if client is None:
        transport = Transport(serializer, address, authkey, _ssl_contexts.get(address))
        client = _clients.setdefault(key, ManagerClient(transport))
    return client


def authkey_for(address: Any) -> bytes | None:
    """Return the key with which the manager at *address* is used here; None if it is not used."""
    for _, known, authkey in list(_clients.keys()):
        if known == address:
            return authkey  # type: ignore[no-any-return]
    return None


def set_address(ident: str, address: Any) -> None:
    """Note that the manager of the referent *ident* is reached at *address*."""
    _addresses[ident[-SUFFIX_LENGTH:]] = address


def address_of(ident: str) -> Any:
    """Return where the manager of the referent *ident* is reached; None if that is not known.

    The manager may know itself by an address that is of no use here, such as ``0.0.0.0``.
    """
    return _addresses.get(ident.partition(".")[0][-SUFFIX_LENGTH:])


def set_ssl_context(address: Any, ssl_context: Any) -> None:
    """Use *ssl_context*, unless it is None, for connections to the manager at *address*."""
    if ssl_context is not None:
        _ssl_contexts[address] = ssl_context


def forget(address: Any) -> None:
    """Forget the manager at *address*, which has ended: another may be there later."""
    for key, client in list(_clients.items()):
        if key[1] == address:
            _clients.pop(key, None)
            client.close()
    for suffix, known in list(_addresses.items()):
        if known == address:
            del _addresses[suffix]


def _after_fork_in_child() -> None:
    for client in list(_clients.values()):
        client.start_afresh()


os.register_at_fork(after_in_child=_after_fork_in_child)
