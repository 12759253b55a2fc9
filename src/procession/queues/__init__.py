"""Queues between processes: `Queue`, `JoinableQueue`, `SimpleQueue`. Layer: ipc."""

from __future__ import annotations

from queue import Empty, Full  # noqa: F401 - programs import them from here as well

from ._queues import JoinableQueue, Queue, SimpleQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["JoinableQueue", "Queue", "SimpleQueue"]

for _class in (JoinableQueue, Queue, SimpleQueue):
    _class.__module__ = __name__
del _class

_sentinel = object()
"""What ends the standard package's feeder threads; joblib's loky imports it."""


def __getattr__(name: str) -> Any:
    """`ShutDown`, the exception of queues that were shut down, on first use."""
    if name == "ShutDown":
        from .._base.queue_shutdown import ShutDown

        return ShutDown
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
