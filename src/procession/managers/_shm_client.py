"""Calls through shared memory: the client's side.

Idea: where client and manager are of one family, two channels belong to a thread's connection:
requests go into the manager's channel, results come through a channel of the thread's own. The
connection tells both sides that the other is alive, and carries what the channels do not: see
`_shm_server`.

Invariant: at most one request of a thread is under way. What interrupts a call ends connection and
channels together, so no result is ever taken for the result of another call.

Layer: pools and managers; imports the core, base and ipc.
"""

from __future__ import annotations

from queue import Empty
from typing import Any

from .. import _core
from .._base.poll import hung_up
from .._base.queue_shutdown import ShutDown
from .._pickling import core_hooks

core_hooks.give()
core_hooks.load_queue_errors()

LIVENESS_INTERVAL = _core.WAIT_SLICE_MS / 1000
"""Seconds that a client waits for a result before it checks that the manager is still there."""

ALL_CALLS = -1

CALLS_AFTER_FETCH = 20
"""How many calls of a method go by the connection after a result had to be fetched over it."""

MOST_METHODS = 1000
"""How many methods of referents are remembered that are not called through channels."""


class ConnectionMethods(dict[tuple[str, str], int]):
    """Methods that are called over the connection although there are channels.

    The key is the id of a referent and the name of a method; the value is how many of the next
    calls go by the connection, or `ALL_CALLS`.
    """

    def note(self, ident: str, name: str, calls: int) -> None:
        """Have the next *calls* of a method go by the connection."""
        if len(self) >= MOST_METHODS:
            self.clear()  # each of them is learned again by one call
        self[ident, name] = calls


class ChannelCalls:
    """The channels of one thread.

    Args:
        replies: the thread's channel, which the manager knows.
        opened: what the manager's `ChannelService.open` returned.
        fd: the descriptor of the connection.
    """

    __slots__ = ("_fd", "_get", "_put", "_session")

    def __init__(self, replies: _core.TaskChannel, opened: tuple[int, int, int], fd: int):
        self._session, offset, serial = opened
        requests = _core._attach(_core.TaskChannel, _core.family_id(), offset, serial)
        self._put, self._get = requests.send_simple, replies.receive
        self._fd = fd

    def call(self, ident: str, name: str, args: Any, kwds: Any) -> tuple[int, Any] | None:
        """Call a method of a referent; return the reply, None if the request cannot go this way.

        Raises: EOFError: the manager is gone.
        """
        try:
            request = ident, name, args, tuple(kwds.items()) if kwds else ()
            if not self._put(request, self._session):
                return None
            try:
                _, kind, _, what, error = self._get(LIVENESS_INTERVAL)
            except Empty:
                _, kind, _, what, error = self._get_slow_reply()
        except ShutDown:
            raise EOFError("the manager has ended") from None
        if error is not None:
            raise error
        return kind, what

    def _get_slow_reply(self) -> Any:
        """Return the reply to a call that takes longer, checking that the manager is alive."""
        while True:
            # Checked before the channel is read: the last reply of a manager is not missed.
            gone = hung_up(self._fd)
            try:
                return self._get(0 if gone else LIVENESS_INTERVAL)
            except Empty:
                if gone:
                    raise EOFError("the manager is gone") from None
