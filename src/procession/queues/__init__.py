"""Queues between processes: `Queue`, `JoinableQueue`, `SimpleQueue`.

Idea: this module is the public face of its package.

Layer: ipc.
"""

from __future__ import annotations

from queue import Empty, Full  # noqa: F401 - programs import them from here as well

from .._base import export
from ._queues import JoinableQueue, Queue, SimpleQueue

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["JoinableQueue", "Queue", "SimpleQueue"]

export(__name__, JoinableQueue, Queue, SimpleQueue)

_sentinel = object()
"""What ends the standard package's feeder threads; joblib's loky imports it."""


def __getattr__(name: str) -> Any:
    """Return `ShutDown`, the exception of queues that were shut down; imported on first use."""
    if name == "ShutDown":
        from .._base.queue_shutdown import ShutDown

        return ShutDown
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
