"""Managers: objects that live in a server and are used through proxies, from anywhere.

Idea: the protocol is the standard package's, so that either side may be that package. Between two
sides of this package the manager also knows which processes its clients are, and gives back what a
client held when that is gone.

The parts, from the bottom:

- both sides: `_protocol` (what is said), `_pickle` (as bytes), `_connection` (over connections);
- the server: `_objects` (the referents and their counts), `_sessions` (the clients), `_wait_queue`
  (how a call waits) and `_server_locks`, `_server_events`, `_server_queue` (what it waits for),
  `_replies`, `_nonblocking` and `_shm_server` (calls that never wait), `_server`;
- the client: `_shm_client`, `_transport`, `_control`, `_client`, `_registry` (the managers that a
  process knows), `_proxy`, `_proxies`;
- what programs use: `_manager`, `_sync`, `_shared_memory`.

Invariant: a client that dies, at any moment, takes nothing away from the others.

Layer: pools and managers; re-exports only.
"""

from __future__ import annotations

from .._base import export
from ._connection import dispatch
from ._manager import BaseManager, State
from ._protocol import ManagerLostError, RemoteError, Token, convert_to_error
from ._proxies import (
    AcquirerProxy,
    ArrayProxy,
    BarrierProxy,
    BaseListProxy,
    BasePoolProxy,
    ConditionProxy,
    DictProxy,
    EventProxy,
    IteratorProxy,
    ListProxy,
    LockProxy,
    NamespaceProxy,
    PoolProxy,
    SetProxy,
    ValueProxy,
)
from ._proxy import AutoProxy, BaseProxy, MakeProxyType, RebuildProxy
from ._server import Server, all_methods, public_methods
from ._shared_memory import SharedMemoryManager, SharedMemoryServer
from ._sync import Array, Namespace, SyncManager, Value
from ._transport import listener_client

__all__ = [
    "AcquirerProxy",
    "Array",
    "ArrayProxy",
    "AutoProxy",
    "BarrierProxy",
    "BaseListProxy",
    "BaseManager",
    "BasePoolProxy",
    "BaseProxy",
    "ConditionProxy",
    "DictProxy",
    "EventProxy",
    "IteratorProxy",
    "ListProxy",
    "LockProxy",
    "MakeProxyType",
    "ManagerLostError",
    "Namespace",
    "NamespaceProxy",
    "PoolProxy",
    "RebuildProxy",
    "RemoteError",
    "Server",
    "SetProxy",
    "SharedMemoryManager",
    "SharedMemoryServer",
    "State",
    "SyncManager",
    "Token",
    "Value",
    "ValueProxy",
    "all_methods",
    "convert_to_error",
    "dispatch",
    "listener_client",
    "public_methods",
]

export(
    __name__,
    AcquirerProxy,
    Array,
    ArrayProxy,
    AutoProxy,
    BarrierProxy,
    BaseListProxy,
    BaseManager,
    BasePoolProxy,
    BaseProxy,
    ConditionProxy,
    DictProxy,
    EventProxy,
    IteratorProxy,
    ListProxy,
    LockProxy,
    MakeProxyType,
    ManagerLostError,
    Namespace,
    NamespaceProxy,
    PoolProxy,
    RebuildProxy,
    RemoteError,
    Server,
    SetProxy,
    SharedMemoryManager,
    SharedMemoryServer,
    State,
    SyncManager,
    Token,
    Value,
    ValueProxy,
    dispatch,
)
