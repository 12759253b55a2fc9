"""What libraries know as a queue's ``_reader`` and ``_writer``.

Idea: in the standard package these are the connections of a pipe. Here they are two views of the
queue, with the methods of a connection that a queue can have. Bytes that are sent or received are
the pickle of an item.

Invariant: the descriptor of a read end is readable while ``get`` would not have to wait, as seen
by this process: an item that another process took in between leaves it readable until the next
``get`` here, which then finds nothing.

Layer: ipc.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._pickling.pickler import ForkingPickler
from ..connection import wait

if TYPE_CHECKING:
    from .. import _core


class _End:
    def __init__(self, queue: _core.Channel):
        self._queue = queue

    @property
    def closed(self) -> bool:
        """Whether this process has called ``close`` of the queue."""
        return self._queue.closed

    def close(self) -> None:
        """Do nothing: the queue has a ``close`` of its own."""


class ReadEnd(_End):
    """The end from which items are received; ``recv`` is ``get``."""

    readable, writable = True, False

    @property
    def _wait_channel(self) -> _core.Channel:
        if self.closed:
            raise OSError(f"{self._queue!r} is closed")
        return self._queue

    def fileno(self) -> int:
        """Return a descriptor that is readable while ``get`` would not wait."""
        return self._queue.ready_fd()

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Return whether there is something to get, waiting up to *timeout* seconds."""
        return bool(wait([self], timeout))

    def recv(self) -> Any:
        """Return the next item, waiting for it."""
        return self._queue.get()

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        """Return the pickle of the next item.

        Raises:
            OSError: it is longer than *maxlength* bytes; the item is lost.
        """
        stream = bytes(ForkingPickler.dumps(self._queue.get()))
        if maxlength is not None and len(stream) > maxlength:
            raise OSError(f"bad message length: {len(stream):,} bytes where {maxlength:,} may be")
        return stream


class WriteEnd(_End):
    """The end to which items are sent; ``send`` is ``put``."""

    readable, writable = False, True

    def send(self, obj: Any) -> None:
        """Put *obj*."""
        self._queue.put(obj)

    def send_bytes(self, buf: Any, offset: int = 0, size: int | None = None) -> None:
        """Put the object whose pickle is *size* bytes of *buf* from *offset* on."""
        view = memoryview(buf).cast("B")[offset:]
        self._queue.put(ForkingPickler.loads(view if size is None else view[:size]))
