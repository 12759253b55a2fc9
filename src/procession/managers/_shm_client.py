"""Calls through shared memory: the client's side.

Idea: where client and manager are of one family, a thread's connection is accompanied by two
channels: requests go into the manager's, results come through one of the thread's own. The
connection tells both sides that the other lives, and carries what the channels do not: see
`_channel_service`.

Invariant: at most one request is on its way. What interrupts a call ends connection and channels
together, so no result is ever taken for that of another call.

Layer: pools and managers; imports the core, base and ipc.
"""

from __future__ import annotations

import select
from queue import Empty
from typing import Any

from .. import _core
from .._base.queue_shutdown import ShutDown

SLICE = 0.2
"""Seconds that a client waits for a result before it looks whether there is still a manager."""

_HANG_UP = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class ChannelCalls:
    """The channels of one thread.

    Args:
        replies: its own, which the manager knows.
        known: what the manager's `ChannelService.open` returned.
        fd: the descriptor of the connection.
    """

    __slots__ = ("_fd", "_get", "_number", "_put")

    def __init__(self, replies: _core.TaskChannel, known: tuple[int, int, int], fd: int):
        self._number, offset, serial = known
        requests = _core._attach(_core.TaskChannel, _core.family_id(), offset, serial)
        self._put, self._get = requests.put_plain, replies.get_tagged
        self._fd = fd

    def ask(self, ident: str, name: str, args: Any, kwds: Any) -> tuple[int, Any] | None:
        """Call a method of a referent; what came of it, None if the request cannot go this way.

        Raises: EOFError: the manager has gone.
        """
        try:
            request = ident, name, args, tuple(kwds.items()) if kwds else ()
            if not self._put(request, self._number):
                return None
            try:
                _, kind, _, what, error = self._get(SLICE)
            except Empty:
                _, kind, _, what, error = self._wait_on()
        except ShutDown:
            raise EOFError("the manager has ended") from None
        if error is not None:
            raise error
        return kind, what

    def _wait_on(self) -> Any:
        """The result of a call that takes longer."""
        while True:
            gone = self._manager_is_gone()
            try:
                return self._get(0 if gone else SLICE)
            except Empty:
                if gone:
                    raise EOFError("the manager has gone") from None

    def _manager_is_gone(self) -> bool:
        poller = select.poll()
        poller.register(self._fd, _HANG_UP)
        return bool(poller.poll(0))
