"""A descriptor of the package's own that the program may have closed.

Idea: programs close descriptors that they do not know, and the next file that they open gets the
same number. So what a descriptor leads to is noted when it is new, and looked at before it is used
or closed.

Invariant: a descriptor that has become another file is neither read nor written nor closed here.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

import os


class KnownFd:
    """A descriptor and what it leads to.

    Attributes:
        fd: its number.
    """

    __slots__ = ("_file", "fd")

    def __init__(self, fd: int = -1):
        """Args: fd: a negative one is none."""
        self.fd = fd
        self._file = None if fd < 0 else _file_of(fd)

    def is_intact(self) -> bool:
        """Return whether the descriptor is open and leads to the same file as at first."""
        return self.is_same(self.fd)

    def is_same(self, fd: int) -> bool:
        """Return whether *fd* leads to the file that this descriptor led to at first."""
        try:
            return fd >= 0 and _file_of(fd) == self._file
        except OSError:
            return False

    def close(self) -> None:
        """Close it, unless the program has; once."""
        if self.is_intact():
            os.close(self.fd)
        self.fd = -1


def _file_of(fd: int) -> tuple[int, int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino, status.st_mode
