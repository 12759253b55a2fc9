"""Waiting until one of many objects can be received from.

Idea: one poll(2) over the descriptors of all of them. Queues have no descriptor: those of one call
share a waker (see `_core.Waker`), which a process that puts something sets. An object that can be
ready although its descriptor is not, as it has read ahead, has a method ``_wait_source``. Queues
and sources are asked after every wake-up.

Invariant: a source is made before it is first asked, and its `done` is called however the wait
ends. What makes it ready after it was asked makes its descriptor readable.

Layer: ipc; imports the base layer and the core.
"""

from __future__ import annotations

import errno
import select

from .. import _core
from .._base.deadline import Deadline

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Protocol

    class WaitSource(Protocol):
        """What ``_wait_source()`` of an object returns: it serves one call of `wait`."""

        def fileno(self) -> int:
            """Return the descriptor that becomes readable when `ready` may have changed."""

        def ready(self) -> bool:
            """Return whether the object is ready, without waiting.

            If it is not, this has read what made the descriptor readable.
            """

        def done(self) -> None:
            """End the part in this call of `wait`."""


def wait(object_list: Iterable[Any], timeout: float | None = None) -> list[Any]:
    """Return those of *object_list* that can be received from, waiting up to *timeout* for one.

    Args:
        object_list: connections, queues, sockets, sentinels: descriptors, or objects with
            ``fileno()``; none of them twice.
        timeout: seconds; None waits for ever, 0 or less only looks.
    Returns:
        The ready objects in the order given, [] when the time was over. An object whose other end
        is closed is ready, as receiving from it does not wait.
    Raises:
        OSError: an object is closed.
        ValueError: an object has no descriptor.
        KeyError: an object is there twice.
    Source: the contract of the standard library's function.
    """
    waiting = _Waiting()
    try:
        for obj in object_list:
            waiting.add(obj)
        return waiting.run(Deadline(timeout))
    finally:
        waiting.end()


# A wake-up that was lost with a killed process delays a wait by at most this, as in the core.
_SLICE_MS = _core.WAIT_SLICE_MS


class _Queues:
    """The queues of one call, and the waker that they share."""

    def __init__(self) -> None:
        self._waker = _core.Waker()
        self._channels: list[_core.Channel] = []
        self._objects: list[Any] = []

    def add(self, obj: Any, channel: _core.Channel) -> None:
        self._objects.append(obj)
        self._channels.append(channel)

    def fileno(self) -> int:
        return self._waker.fileno()

    def ready(self) -> list[Any]:
        """Return the objects that are ready; for the others, the waker is armed."""
        channels, _ = self._waker.arm(self._channels, [])
        if not channels:
            return []
        pairs = zip(self._objects, self._channels, strict=True)
        return [obj for obj, channel in pairs if any(channel is other for other in channels)]

    def done(self) -> None:
        self._waker.close()


class _Waiting:
    """One call of `wait`."""

    def __init__(self) -> None:
        self._poller = select.poll()
        self._by_fd: dict[int, Any] = {}
        self._sources: list[tuple[WaitSource, Any]] = []
        self._queues: _Queues | None = None
        self._order: list[Any] = []

    def add(self, obj: Any) -> None:
        channel = getattr(obj, "_wait_channel", None)
        if channel is not None:
            self._add_queue(obj, channel)
            return
        make_source = getattr(obj, "_wait_source", None)
        if make_source is None:
            fd = _get_fd(obj)
            if fd in self._by_fd:
                raise KeyError(f"{obj!r} (descriptor {fd}) is there twice")
            self._by_fd[fd] = obj
        else:
            if any(obj is other for _, other in self._sources):
                raise KeyError(f"{obj!r} is there twice")
            source: WaitSource = make_source()
            self._sources.append((source, obj))
            fd = source.fileno()
        self._order.append(obj)
        self._poller.register(fd, select.POLLIN)

    def _add_queue(self, obj: Any, channel: _core.Channel) -> None:
        if any(obj is other for other in self._order):
            raise KeyError(f"{obj!r} is there twice")
        if self._queues is None:
            self._queues = _Queues()
            self._poller.register(self._queues.fileno(), select.POLLIN)
        self._queues.add(obj, channel)
        self._order.append(obj)

    def run(self, deadline: Deadline) -> list[Any]:
        if not self._sources and self._queues is None:
            return self._poll(deadline)
        ready = self._ready_sources()
        while not ready:
            # Whatever woke this call, all are asked: several of them may share a descriptor.
            ready = self._poll(deadline)
            ready += self._ready_sources()
            if deadline.expired:
                return self._in_order(ready)
        return self._in_order(ready + self._other_ready(ready))

    def end(self) -> None:
        for source, _ in self._sources:
            source.done()
        if self._queues is not None:
            self._queues.done()

    def _poll(self, deadline: Deadline) -> list[Any]:
        """Return the ready objects without a source; [] after another wake-up or the deadline."""
        while True:
            events = self._poller.poll(self._milliseconds(deadline))
            if events or deadline.expired or self._queues is not None:
                return [self._checked(fd, there) for fd, there in events if fd in self._by_fd]

    def _milliseconds(self, deadline: Deadline) -> int | None:
        left = deadline.remaining_ms()
        if self._queues is None:
            return left
        return _SLICE_MS if left is None else min(left, _SLICE_MS)

    def _other_ready(self, ready: list[Any]) -> list[Any]:
        """Return the objects without a source that are ready now and not in *ready*."""
        found = self._poll(Deadline(0))
        return [obj for obj in found if not any(obj is other for other in ready)]

    def _ready_sources(self) -> list[Any]:
        ready = [obj for source, obj in self._sources if source.ready()]
        return ready if self._queues is None else ready + self._queues.ready()

    def _in_order(self, ready: list[Any]) -> list[Any]:
        return [obj for obj in self._order if any(obj is other for other in ready)]

    def _checked(self, fd: int, events: int) -> Any:
        if events & select.POLLNVAL:
            raise OSError(errno.EBADF, f"descriptor {fd} of {self._by_fd[fd]!r} is not open")
        return self._by_fd[fd]


def _get_fd(obj: Any) -> int:
    """Return the descriptor that *obj* is or has."""
    fd = obj
    if not isinstance(obj, int):
        try:
            fd = int(obj.fileno())
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"{obj!r} has no descriptor to wait for") from error
    if fd < 0:
        raise ValueError(f"{obj!r} has the invalid descriptor {fd}")
    return int(fd)
