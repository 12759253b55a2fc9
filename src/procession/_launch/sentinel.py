"""A descriptor that becomes readable when a process has ended.

Idea: Linux has exactly that, the pidfd. Where the kernel or a sandbox refuses it, the read end of a
pipe whose write end only the child has does the same, except that a child's own children hold it
open too.

Invariant: descriptors are closed on exec. A sentinel that was ready stays ready.

Layer: process; imports base.
"""

from __future__ import annotations

import os
import select

from .._base.deadline import Deadline

_have_pidfd: bool | None = None


def have_pidfd() -> bool:
    """Whether this system lets us open a pidfd; asked once."""
    global _have_pidfd
    if _have_pidfd is None:
        try:
            os.close(os.pidfd_open(os.getpid()))
            _have_pidfd = True
        except (OSError, AttributeError):  # an old kernel; a sandbox; a C library without it
            _have_pidfd = False
    return _have_pidfd


class Sentinel:
    """Made before a child is started, opened after; gives the parent the descriptor to watch."""

    def __init__(self) -> None:
        """Raises: OSError: no descriptor is left."""
        self._pipe = None if _have_pidfd or have_pidfd() else os.pipe()

    @property
    def fd_for_child(self) -> int | None:
        """What a child of another interpreter must be passed, for its life; None for nothing."""
        return None if self._pipe is None else self._pipe[1]

    def in_forked_child(self) -> None:
        """Keep the child's end only."""
        if self._pipe is not None:
            os.close(self._pipe[0])

    def in_parent(self, pid: int) -> int:
        """Return the descriptor that becomes readable when child *pid* ends."""
        if self._pipe is not None:
            os.close(self._pipe[1])
            return self._pipe[0]
        try:
            return os.pidfd_open(pid)
        except ProcessLookupError:
            # Ended, and reaped by another: SIGCHLD is ignored, or a handler waits for everyone.
            return _ready_forever()

    def abandon(self) -> None:
        """The start failed: close what was opened."""
        for fd in self._pipe or ():
            os.close(fd)


def _ready_forever() -> int:
    reader, writer = os.pipe()
    os.close(writer)
    return reader


def wait_readable(fd: int, timeout: float | None) -> bool:
    """Wait up to *timeout* seconds (None: for ever) until *fd* is readable or its peer is gone."""
    deadline = Deadline(timeout)
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    while True:
        if poller.poll(deadline.remaining_ms()):
            return True
        if deadline.expired:
            return False
