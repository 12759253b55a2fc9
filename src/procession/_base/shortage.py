"""What a helper does when descriptors, memory or processes have run out.

Idea: the kernel has no event for "a descriptor is free again", and a socket that cannot be accepted
from stays ready: a loop over it would spin. So the helper pauses between two attempts. The pause
doubles, so that a long shortage costs next to nothing, and is bounded, so that a client waits no
longer than that when the shortage is over.

Invariant: a helper in a shortage makes at most two attempts a second, after the first few.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

import errno
import time

_ERRORS = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM, errno.EAGAIN)

_SHORTEST, _LONGEST = 0.01, 0.5  # seconds


def is_shortage(error: BaseException) -> bool:
    """Return whether *error* says that the system or a limit has nothing left to give."""
    return isinstance(error, OSError) and error.errno in _ERRORS


class GrowingPause:
    """The pauses of one helper."""

    def __init__(self) -> None:
        self._next = _SHORTEST

    def wait(self) -> None:
        """Sleep, twice as long as the last time."""
        time.sleep(self._next)
        self._next = min(2 * self._next, _LONGEST)

    def reset(self) -> None:
        """Note that there is enough again."""
        self._next = _SHORTEST
