"""Waiting for one descriptor with poll(2).

Idea: poll(2), not select(2): select fails from descriptor 1024 on. A wait has a deadline, so that
one which is restarted lasts no longer in total than the caller asked for.

Invariant: an interrupted wait goes on for what is left of its time (PEP 475); the end of a stream
counts as readable, as a read then returns at once.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

import errno
import os
import select

from .deadline import Deadline

# poll(2) reports the end of a stream and errors whatever it is asked for.
_HANG_UP = select.POLLHUP | select.POLLERR | select.POLLNVAL


def wait_events(fd: int, events: int, timeout_ms: int | None = None) -> int:
    """Wait until one of *events* is there at *fd*.

    Args:
        events: a bit mask of ``select.POLLIN`` and its like.
        timeout_ms: milliseconds; None waits for ever.
    Returns:
        What is there (errors and the end of the stream included); 0 when the time was over.
    Raises:
        OSError: *fd* is not an open descriptor.
    """
    poller = select.poll()
    poller.register(fd, events)
    for _, there in poller.poll(timeout_ms):
        if there & select.POLLNVAL:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))
        return there
    return 0


def wait_readable(fd: int, deadline: Deadline) -> bool:
    """Wait until *fd* can be read or its stream has ended.

    Returns:
        False when *deadline* was over before.
    Raises:
        OSError: *fd* is not an open descriptor.
    """
    while not wait_events(fd, select.POLLIN, deadline.remaining_ms()):
        if deadline.expired:
            return False
    return True


def hung_up(fd: int) -> bool:
    """Return whether the other end of *fd*, a socket or a pipe, is closed; never waits.

    A descriptor that is not open counts as hung up: no process can be reached through it.
    """
    poller = select.poll()
    poller.register(fd, select.POLLRDHUP)
    return any(there & (_HANG_UP | select.POLLRDHUP) for _, there in poller.poll(0))


def wait_hung_up(fd: int) -> None:
    """Wait until the other end of *fd* is closed, whatever there is to read before."""
    poller = select.poll()
    poller.register(fd, select.POLLRDHUP)
    while not poller.poll():
        continue
