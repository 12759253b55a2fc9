"""`SyncManager`: a manager of the types that threads and processes usually share.

Idea: a list of the types: each with the callable that makes the object in the server, and the proxy
type for the other processes.

Layer: pools and managers.
"""

from __future__ import annotations

import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from . import _nonblocking, _proxies, _proxy, _server, _server_events, _server_locks, _server_queue
from ._manager import BaseManager


class Namespace:
    """Attributes to be shared. Args: kwds: the first attributes."""

    def __init__(self, /, **kwds: Any):
        self.__dict__.update(kwds)

    def __repr__(self) -> str:
        shown = [f"{k}={v!r}" for k, v in self.__dict__.items() if not k.startswith("_")]
        return f"{type(self).__name__}({', '.join(sorted(shown))})"


class Value:
    """One value.

    Args:
        typecode: not used; any object can be the value.
        lock: not used; each access is atomic.
    """

    def __init__(self, typecode: Any, value: Any, lock: Any = True):
        self._typecode = typecode
        self._value = value

    def get(self) -> Any:
        """Return the value."""
        return self._value

    def set(self, value: Any) -> None:
        """Change the value."""
        self._value = value

    value = property(get, set)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._typecode!r}, {self._value!r})"


def Array(typecode: str, sequence: Iterable[Any], lock: Any = True) -> array.array[Any]:
    """Return an array of *typecode* (as in `array`) with the elements of *sequence*."""
    return array.array(typecode, sequence)


def _pool(*args: Any, **kwds: Any) -> Any:
    """Return a pool whose workers are the manager's children."""
    from ..pool import Pool  # on first use: few managers make one

    return Pool(*args, **kwds)


class SyncManager(BaseManager):
    """A manager of locks, queues, lists, dicts and so on; `procession.Manager` starts one."""

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...


SyncManager.register("Queue", _server_queue.Queue)
SyncManager.register("JoinableQueue", _server_queue.Queue)
SyncManager.register("Event", _server_events.Event, _proxies.EventProxy)
SyncManager.register("Lock", _server_locks.Lock, _proxies.LockProxy)
SyncManager.register("RLock", _server_locks.RLock, _proxies.LockProxy)
SyncManager.register("Semaphore", _server_locks.Semaphore, _proxies.AcquirerProxy)
SyncManager.register("BoundedSemaphore", _server_locks.BoundedSemaphore, _proxies.AcquirerProxy)
SyncManager.register("Condition", _server_events.Condition, _proxies.ConditionProxy)
SyncManager.register("Barrier", _server_events.Barrier, _proxies.BarrierProxy)
SyncManager.register("Pool", _pool, _proxies.PoolProxy)
SyncManager.register("list", list, _proxies.ListProxy)
SyncManager.register("dict", dict, _proxies.DictProxy)
SyncManager.register("set", set, _proxies.SetProxy)
SyncManager.register("Value", Value, _proxies.ValueProxy)
SyncManager.register("Array", Array, _proxies.ArrayProxy)
SyncManager.register("Namespace", Namespace, _proxies.NamespaceProxy)
# The types of results of methods.
SyncManager.register("Iterator", proxytype=_proxies.IteratorProxy, create_method=False)
SyncManager.register("AsyncResult", create_method=False)

_proxy._default_proxies.update(
    {typeid: entry[-1] for typeid, entry in SyncManager._registry.items()}
)

# -------------------------------------------------------------------------- nonblocking methods

_nonblocking.declare(Namespace, _proxies.NamespaceProxy._exposed_)
_nonblocking.declare(Value, _proxies.ValueProxy._exposed_)
_nonblocking.declare(_server_queue.Queue, _server.public_methods(_server_queue.Queue))
_nonblocking.declare(_server_events.Event, _proxies.EventProxy._exposed_)
_LOCKS = (_server_locks.Lock, _server_locks.RLock)
for _kind in (*_LOCKS, _server_locks.Semaphore, _server_locks.BoundedSemaphore):
    _nonblocking.declare(_kind, _proxies.LockProxy._exposed_)
# Without `wait`: it has released the lock by the time when it would raise MustWait.
_nonblocking.declare(
    _server_events.Condition,
    {*_proxies.ConditionProxy._exposed_} - {"wait"},
    lambda condition: type(condition._lock) in _LOCKS,
)
