"""A descriptor that becomes readable when a process has ended.

Idea: Linux has exactly that, the pidfd. Where the kernel or a sandbox refuses it, the read end of a
pipe whose write end only the child has does the same, except that a child's own children hold it
open too.

Invariant: descriptors are closed on exec. A sentinel that was ready stays ready.

Layer: process; imports base.
"""

from __future__ import annotations

import os

from .._base import poll
from .._base.deadline import Deadline

_have_pidfd: bool | None = None


def have_pidfd() -> bool:
    """Return whether this system lets a process open a pidfd; the system is asked once."""
    global _have_pidfd
    if _have_pidfd is None:
        try:
            os.close(os.pidfd_open(os.getpid()))
            _have_pidfd = True
        except (OSError, AttributeError):  # an old kernel; a sandbox; a C library without it
            _have_pidfd = False
    return _have_pidfd


class Sentinel:
    """The sentinel of a child: made before the child is started, opened after the start."""

    def __init__(self) -> None:
        """Raises: OSError: no descriptor is left."""
        self._pipe = None if _have_pidfd or have_pidfd() else os.pipe()

    @property
    def fd_for_child(self) -> int | None:
        """What a child of another interpreter must inherit and hold open; None if nothing."""
        return None if self._pipe is None else self._pipe[1]

    def in_forked_child(self) -> None:
        """In the child: keep its end only."""
        if self._pipe is not None:
            os.close(self._pipe[0])

    def in_parent(self, pid: int) -> int:
        """In the parent: return the descriptor that becomes readable when child *pid* ends."""
        if self._pipe is not None:
            os.close(self._pipe[1])
            return self._pipe[0]
        try:
            return os.pidfd_open(pid)
        except ProcessLookupError:
            # It has ended and was reaped by other code: SIGCHLD is ignored, or a handler waits
            # for every child.
            return _always_ready()

    def abandon(self) -> None:
        """The start failed: close what was opened."""
        for fd in self._pipe or ():
            os.close(fd)


def _always_ready() -> int:
    reader, writer = os.pipe()
    os.close(writer)
    return reader


def wait_ended(sentinel: int, timeout: float | None) -> bool:
    """Wait up to *timeout* seconds (None: for ever) until the process of *sentinel* has ended.

    Returns:
        Whether it has, as far as the descriptor tells. One that the program has closed tells
        nothing and counts as ready, as in the standard package; the caller then asks the kernel.
    """
    try:
        return poll.wait_readable(sentinel, Deadline(timeout))
    except OSError:
        return True
