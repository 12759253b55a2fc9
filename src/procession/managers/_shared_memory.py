"""`SharedMemoryManager`: segments of shared memory that end with their manager.

Idea: a segment is made by the process that asks for it; the server only keeps the name, and removes
the segment when the server ends. If the server is killed, the family's resource tracker removes it.

Invariant: a segment that a manager has returned is tracked by the server.

Layer: pools and managers; imports ipc.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, ClassVar

from .. import resource_tracker, shared_memory
from .._base import log
from .._base.errors import ProcessError
from ._manager import BaseManager
from ._server import Server


class _SharedMemoryTracker:
    """The segments of one manager. Args: name: the manager's, for messages."""

    def __init__(self, name: str, segment_names: Iterable[str] = ()):
        self.shared_memory_context_name = name
        self.segment_names = list(segment_names)

    def register_segment(self, name: str) -> None:
        """Keep the name of a segment."""
        log.debug("register segment %r in pid %d", name, os.getpid())
        self.segment_names.append(name)

    def destroy_segment(self, name: str) -> None:
        """Remove a segment. Raises: ValueError: its name is not kept here."""
        log.debug("destroy segment %r in pid %d", name, os.getpid())
        self.segment_names.remove(name)
        try:
            segment = shared_memory.SharedMemory(name)
        except FileNotFoundError:
            log.info("segment %r was removed already, not by its manager", name)
            return
        segment.close()
        segment.unlink()

    def unlink(self) -> None:
        """Remove all segments."""
        for name in list(self.segment_names):
            self.destroy_segment(name)


class SharedMemoryServer(Server):
    """The server of a `SharedMemoryManager`."""

    public: ClassVar[list[str]] = [
        *Server.public,
        *("track_segment", "release_segment", "list_segments"),
    ]

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        address = self.address
        if isinstance(address, bytes):
            address = os.fsdecode(address)
        self.shared_memory_context = _SharedMemoryTracker(f"shm_{address}_{os.getpid()}")

    def create(
        self, c: Any, typeid: str, /, *args: Any, **kwargs: Any
    ) -> tuple[str, tuple[str, ...]]:
        """Make a referent; its proxy type decides whether it gets the segments of this server."""
        if hasattr(self.registry[typeid][-1], "_shared_memory_proxy"):
            kwargs["shared_memory_context"] = self.shared_memory_context
        return super().create(c, typeid, *args, **kwargs)

    def shutdown(self, c: Any) -> None:
        """Remove all segments, and end."""
        self.shared_memory_context.unlink()
        super().shutdown(c)

    def track_segment(self, c: Any, segment_name: str) -> None:
        """Keep the name of a segment, which is removed when the server ends."""
        self.shared_memory_context.register_segment(segment_name)

    def release_segment(self, c: Any, segment_name: str) -> None:
        """Remove a segment."""
        self.shared_memory_context.destroy_segment(segment_name)

    def list_segments(self, c: Any) -> list[str]:
        """Return the names of all segments."""
        return self.shared_memory_context.segment_names


class SharedMemoryManager(BaseManager):
    """A manager that makes segments of shared memory and removes them at its end.

    Args: as for `BaseManager`.
    """

    _Server = SharedMemoryServer

    def __init__(self, *args: Any, **kwargs: Any):
        # Before the server is started, so that the server uses the same tracker.
        resource_tracker.ensure_running()
        super().__init__(*args, **kwargs)

    def SharedMemory(self, size: int) -> shared_memory.SharedMemory:
        """Return a new segment of *size* bytes."""
        segment = self._make(lambda: shared_memory.SharedMemory(create=True, size=size))
        self._track(segment)
        return segment  # type: ignore[no-any-return]

    def ShareableList(self, sequence: Iterable[Any]) -> shared_memory.ShareableList:
        """Return a new list with the elements of *sequence*."""
        shared = self._make(lambda: shared_memory.ShareableList(sequence))
        self._track(shared.shm)
        return shared  # type: ignore[no-any-return]

    def _make(self, make: Any) -> Any:
        """Return what *make* makes. Raises: ValueError: there is no server to track it."""
        if getattr(self, "_client", None) is None:
            raise ValueError("the server of this SharedMemoryManager has not been started")
        return make()

    def _track(self, segment: shared_memory.SharedMemory) -> None:
        """Have the server remove *segment* when it ends."""
        try:
            self._client.call_server("track_segment", segment.name)
        except BaseException:
            segment.unlink()
            raise


__all__ = ["ProcessError", "SharedMemoryManager", "SharedMemoryServer"]
