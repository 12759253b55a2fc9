"""The descriptor of the family's memory file, for a process that is to be started.

Idea: a forked child inherits the mapping of the arena; a fresh interpreter needs a descriptor of
its file. This process had one when it joined, but a program may close every descriptor that it does
not know, as daemons and supervisors do. Then another member's descriptor of the same file is opened
through ``/proc``. The right file is known by the arena's random name at its start.

Invariant: a descriptor that is not known to be of this family's file is never given to a child, nor
closed.

Layer: process; imports the core only.
"""

from __future__ import annotations

import errno
import os

from .. import _core

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def descriptor() -> int:
    """Return a descriptor of the family's memory file, which stays this process's.

    Raises:
        OSError: EBADF: it was closed, and there is no way to another one. EFBIG: there never was
            one.
    """
    fd = _core.family_fd()
    return fd if fd >= 0 else _reopened()


def _reopened() -> int:
    """Open the file again."""
    for path in _candidates():
        try:
            fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError:  # closed meanwhile, or not ours to open: another one may be
            continue
        if _core.reopen_family(fd):
            return _core.family_fd()
        os.close(fd)
    if _core.family_file()[1] == 0:
        raise OSError(
            errno.EFBIG,
            "the limit of file sizes (RLIMIT_FSIZE) left this family's shared memory without a "
            "file that a new interpreter could be given: raise the limit to 1 GiB or more before "
            "the first use of procession, or use the start method fork",
        )
    raise OSError(
        errno.EBADF,
        "the descriptor of this family's shared memory was closed (os.closerange, as daemons do) "
        "and no other process of the family has it: start the fork server or another child before "
        "descriptors are closed, leave memfd:procession open, or use the start method fork",
    )


def _candidates() -> Iterator[str]:
    """Yield paths that may lead to the file: other members' descriptors, then our own mapping."""
    device, inode, base = _core.family_file()
    for pid in _core.family_pids():
        folder = f"/proc/{pid}/fd"
        for name in _names(folder):
            path = f"{folder}/{name}"
            try:
                found = os.stat(path)
            except OSError:  # closed meanwhile
                continue
            if (found.st_dev, found.st_ino) == (device, inode):
                yield path
    for name in _names("/proc/self/map_files"):  # needs CAP_CHECKPOINT_RESTORE
        start, _, end = name.partition("-")
        if int(start, 16) <= base < int(end, 16):
            yield f"/proc/self/map_files/{name}"


def _names(folder: str) -> list[str]:
    """Return the names in *folder*; none if it cannot be read."""
    try:
        return os.listdir(folder)
    except OSError:
        return []
