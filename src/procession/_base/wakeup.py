"""A descriptor by which one thread wakes another out of poll(2).

Idea: an eventfd, which becomes readable when it is set and stays so until it is cleared: a wake-up
that comes before the wait ends it at once, so none is lost. One that is set by the handlers of
signals is a pipe instead, because the interpreter writes single bytes there.

Invariant: no call blocks. Several `set` before a `clear` are one wake-up.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

import os
from contextlib import suppress


class Wakeup:
    """A wake-up that any thread of this process may set.

    Its descriptor is closed with it, if `close` was not called.

    Raises:
        OSError: no descriptor is left.
    """

    _reader = _writer = -1

    def __init__(self) -> None:
        self._reader = self._writer = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def fileno(self) -> int:
        """Return the descriptor to be polled; -1 once it is closed."""
        return self._reader

    def set(self) -> None:
        """Make the descriptor readable; nothing happens once it is closed."""
        # A counter that is full (2**64 - 2 wake-ups) is readable as it is.
        with suppress(BlockingIOError):
            if self._writer >= 0:
                os.eventfd_write(self._writer, 1)

    def clear(self) -> None:
        """Take the wake-up, if there is one."""
        with suppress(BlockingIOError):
            os.eventfd_read(self._reader)

    def close(self) -> None:
        """Close the descriptor. Only when no other thread uses it any more."""
        fds, self._reader, self._writer = {self._reader, self._writer}, -1, -1
        for fd in fds - {-1}:
            os.close(fd)

    def __del__(self) -> None:
        self.close()


class SignalWakeup(Wakeup):
    """A wake-up that the interpreter sets when a signal arrives: see `signal.set_wakeup_fd`."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)

    @property
    def write_fd(self) -> int:
        """The descriptor for `signal.set_wakeup_fd`."""
        return self._writer

    def set(self) -> None:
        """Make the descriptor readable."""
        with suppress(BlockingIOError):  # full: readable as it is
            os.write(self._writer, b"\0")

    def clear(self) -> None:
        """Take all wake-ups there are."""
        with suppress(BlockingIOError):
            while len(os.read(self._reader, 4096)) == 4096:
                continue
