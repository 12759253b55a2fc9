"""Queues between processes: `Queue`, `JoinableQueue`, `SimpleQueue`.

Idea: a queue *is* a channel of the native core; ``put`` and ``get`` are its methods, without a
Python frame in between. There is no feeder thread: when ``put`` returns, the item is in shared
memory and every process sees it, whatever becomes of the one that put it. So there is nothing to
flush, ``put`` and then ``join`` cannot dead-lock, and what cannot be pickled raises in ``put``.

Invariant: an item is given to exactly one ``get``; ``qsize`` counts exactly what was put and not
yet taken. (A process killed in the midst of ``get`` may have taken one item.)

Layer: ipc.
"""

from __future__ import annotations

from types import GenericAlias
from typing import TYPE_CHECKING, Any

from . import _core

if TYPE_CHECKING:
    from .context import BaseContext

__all__ = ["JoinableQueue", "Queue", "SimpleQueue"]


class Queue(_core.Channel):
    """A first-in, first-out queue for any number of processes and threads at both ends.

    ``put(obj, block=True, timeout=None)`` raises `queue.Full` when there was no room within
    *timeout* seconds, ``get(block=True, timeout=None)`` `queue.Empty` when nothing came; both raise
    ValueError once this process has called ``close``. A queue can be sent through queues and
    pipes, as an argument of a process or of a pool's task, at any time.

    Args:
        maxsize: the most items at a time; 0 or less: as many as memory holds.
        ctx: accepted as in the standard library; nothing depends on it.
    """

    def __init__(self, maxsize: int = 0, *, ctx: BaseContext | None = None):
        super().__init__(maxsize)

    def get_nowait(self) -> Any:
        """``get(block=False)``."""
        return self.get(False)

    def put_nowait(self, obj: Any) -> None:
        """``put(obj, block=False)``."""
        self.put(obj, False)

    def join_thread(self) -> None:
        """Do nothing, as there is no thread: what was put has arrived.

        Raises:
            AssertionError: ``close`` was not called before, as in the standard library.
        """
        assert self.closed, f"Queue {self!r} not closed"

    def cancel_join_thread(self) -> None:
        """Do nothing: the end of a process never waits for its queues."""

    __class_getitem__: Any = classmethod(GenericAlias)


class JoinableQueue(Queue):
    """A `Queue` whose ``join`` waits until each item put was said to be done with.

    ``task_done()`` says so of one item; ValueError when it is called more often than ``put``.
    """

    def join(self) -> None:
        """Wait until ``task_done`` was called once for each item put."""
        self.wait_done(None)


class SimpleQueue(_core.Channel):
    """A queue with ``put(obj)``, ``get()``, ``empty()`` and ``close()``, without bound.

    Args:
        ctx: accepted as in the standard library; nothing depends on it.
    """

    def __init__(self, *, ctx: BaseContext | None = None):
        super().__init__(0)

    def empty(self) -> bool:
        """Return whether there is nothing to get.

        Raises:
            OSError: this process has called ``close``.
        """
        if self.closed:
            raise OSError(f"{self!r} is closed")
        return super().empty()

    __class_getitem__: Any = classmethod(GenericAlias)
