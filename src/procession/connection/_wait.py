"""Waiting until one of many things can be received from.

Idea: one poll(2) over the descriptors of all of them. Queues have no descriptor: those of one call
share a waker, which whoever puts something rings (see `_core.Waker`). A thing that can be ready
although its descriptor is quiet (it has read ahead) says so by a method ``_wait_source``. Queues
and sources are asked after every wake-up.

Invariant: a source is made before it is first asked, and `done` with on every way out: whatever
makes it ready after that question rings its descriptor.

Layer: ipc; imports the base layer only.
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
        """What ``_wait_source()`` of an object returns: the object's part in one call of `wait`."""

        def fileno(self) -> int:
            """The descriptor that becomes readable when `ready` may have changed; shared or not."""

        def ready(self) -> bool:
            """Whether the object is ready, without waiting.

            Where it is not, whatever made the descriptor readable has been taken from it.
            """

        def done(self) -> None:
            """The call of `wait` is over."""


def wait(object_list: Iterable[Any], timeout: float | None = None) -> list[Any]:
    """Return those of *object_list* that can be received from, waiting up to *timeout* for one.

    Args:
        object_list: connections, sockets, sentinels, descriptors, queues: descriptors, or anything
            with ``fileno()``; none of them twice.
        timeout: seconds; None waits for ever, 0 or less only looks.
    Returns:
        The ready ones in the order given, [] when the time was over. An object whose other end is
        closed is ready, as receiving from it does not wait.
    Raises:
        OSError: one of them is closed.
        ValueError: one of them has no descriptor.
        KeyError: one of them is there twice.
    Source: the contract of the standard library's function.
    """
    waiting = _Waiting()
    try:
        for obj in object_list:
            waiting.add(obj)
        return waiting.run(Deadline(timeout))
    finally:
        waiting.end()


# A wake-up that was lost with a killed process costs at most this, as in the core.
_SLICE_MS = _core.WAIT_SLICE_MS


class _Queues:
    """The queues of one call, behind one waker."""

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
        """The objects that are ready; for the others, the waker is armed."""
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
        self._plain: dict[int, Any] = {}
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
            fd = _descriptor_of(obj)
            if fd in self._plain:
                raise KeyError(f"{obj!r} (descriptor {fd}) is there twice")
            self._plain[fd] = obj
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
            # Whatever rang, all are asked: one waker may be for several of them.
            ready = self._poll(deadline)
            ready += self._ready_sources()
            if deadline.expired:
                return self._in_order(ready)
        return self._in_order(ready + self._look(ready))

    def end(self) -> None:
        for source, _ in self._sources:
            source.done()
        if self._queues is not None:
            self._queues.done()

    def _poll(self, deadline: Deadline) -> list[Any]:
        """The plain objects that are ready; [] when another rang, or the time is over."""
        while True:
            events = self._poller.poll(self._milliseconds(deadline))
            if events or deadline.expired or self._queues is not None:
                return [self._checked(fd, there) for fd, there in events if fd in self._plain]

    def _milliseconds(self, deadline: Deadline) -> int | None:
        left = deadline.remaining_ms()
        if self._queues is None:
            return left
        return _SLICE_MS if left is None else min(left, _SLICE_MS)

    def _look(self, ready: list[Any]) -> list[Any]:
        """The plain objects that are ready by now, besides those in *ready*."""
        found = self._poll(Deadline(0))
        return [obj for obj in found if not any(obj is other for other in ready)]

    def _ready_sources(self) -> list[Any]:
        ready = [obj for source, obj in self._sources if source.ready()]
        return ready if self._queues is None else ready + self._queues.ready()

    def _in_order(self, ready: list[Any]) -> list[Any]:
        return [obj for obj in self._order if any(obj is other for other in ready)]

    def _checked(self, fd: int, events: int) -> Any:
        if events & select.POLLNVAL:
            raise OSError(errno.EBADF, f"descriptor {fd} of {self._plain[fd]!r} is not open")
        return self._plain[fd]


def _descriptor_of(obj: Any) -> int:
    """The descriptor that *obj* is or has."""
    fd = obj
    if not isinstance(obj, int):
        try:
            fd = int(obj.fileno())
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"{obj!r} has no descriptor to wait for") from error
    if fd < 0:
        raise ValueError(f"{obj!r} has the invalid descriptor {fd}")
    return int(fd)
