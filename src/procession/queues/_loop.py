"""Queues on an event loop.

Idea: an event loop on which coroutines wait for queues has one waker (see `_core.Waker`) among its
descriptors. A coroutine first tries; if it would have to wait, it adds a future, and the waker is
armed for its queue. When the waker is set, all queues that coroutines wait for are asked, and one
waiting coroutine of each ready queue is woken; it tries again.

Invariant: an item is taken only by a coroutine that runs, so one that is cancelled has taken none.
When a coroutine was woken in vain or cancelled, the queues are asked again for the others, so no
wake-up is lost. While a coroutine waits, the waker is armed for its queue; when none waits, there
is no waker.

Layer: ipc; imports asyncio, so it is loaded on first use.
"""

from __future__ import annotations

import asyncio
import queue
from collections import deque
from typing import Any
from weakref import WeakKeyDictionary

from .. import _core

# A wake-up that was lost with a killed process delays a wait by at most this, as in the core.
_SLICE_S = _core.WAIT_SLICE_MS / 1000

_Waiters = dict[_core.Channel, "deque[asyncio.Future[None]]"]


async def get(channel: _core.Channel) -> Any:
    """Take the next item of *channel*, waiting on the running loop."""
    while True:
        try:
            return channel.get(False)
        except queue.Empty:
            await _hub().wait(channel, to_get=True)


async def put(channel: _core.Channel, obj: Any) -> None:
    """Put *obj* into *channel*, waiting on the running loop for room."""
    while True:
        try:
            return channel.put(obj, False)
        except queue.Full:
            await _hub().wait(channel, to_get=False)


class _Hub:
    """The coroutines that wait for queues on one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop):
        self._loop = loop
        self._getters: _Waiters = {}
        self._putters: _Waiters = {}
        self._waker: _core.Waker | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def wait(self, channel: _core.Channel, *, to_get: bool) -> None:
        """Return when another try may succeed."""
        waiters = self._getters if to_get else self._putters
        future: asyncio.Future[None] = self._loop.create_future()
        waiters.setdefault(channel, deque()).append(future)
        try:
            self._arm()
            await future
        finally:
            futures = waiters[channel]
            futures.remove(future)
            if not futures:
                del waiters[channel]
            # Soon, not now: the coroutine that was woken has to take its item first.
            self._loop.call_soon(self._update)

    def _arm(self) -> None:
        """Arm the waker for all queues; wake one waiting coroutine of each queue that is ready."""
        if self._waker is None:
            self._waker = _core.Waker()
            self._loop.add_reader(self._waker.fileno(), self._arm)
        if self._timer is None:
            self._timer = self._loop.call_later(_SLICE_S, self._on_timer)
        ready = self._waker.arm(list(self._getters), list(self._putters))
        for waiters, channels in zip((self._getters, self._putters), ready, strict=True):
            for channel in channels:
                _wake_first(waiters[channel])

    def _on_timer(self) -> None:
        self._timer = None
        self._update()

    def _update(self) -> None:
        """Arm the waker again, or remove it if no coroutine waits any more."""
        if self._getters or self._putters:
            self._arm()
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._waker is not None:
            self._loop.remove_reader(self._waker.fileno())
            self._waker.close()
            self._waker = None


def _wake_first(futures: deque[asyncio.Future[None]]) -> None:
    for future in futures:
        if not future.done():
            future.set_result(None)
            return


_hubs: WeakKeyDictionary[asyncio.AbstractEventLoop, _Hub] = WeakKeyDictionary()


def _hub() -> _Hub:
    loop = asyncio.get_running_loop()
    hub = _hubs.get(loop)
    if hub is None:
        hub = _hubs[loop] = _Hub(loop)
    return hub
