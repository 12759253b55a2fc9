"""Managers: objects that live in a server and are used through proxies, from anywhere.

Idea: the standard package's protocol, so that either side may be that; between two sides of this
package the manager knows who its clients are, and gives back what they held when they are gone.

The parts, from the bottom: `_token` what is said, `_wire` how it is pickled; in the server
`_referents`, `_sessions`, `_serving` (how a call waits), `_served_*` (what it waits for),
`_answers`, `_prompt` and `_channel_service` (calls that never wait), `_server`; at the client
`_channel_calls`, `_route`, `_peers` (connections) and `_proxy`, `_proxies`; `_manager`, `_sync`,
`_memory` what programs use.

Layer: pools and managers; re-exports only.
"""

from __future__ import annotations

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
from ._transport import dispatch, listener_client

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

for _exported in (
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
):
    _exported.__module__ = __name__
del _exported
