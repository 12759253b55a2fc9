"""How a process ended that this one cannot wait for, because it is not its child.

Idea: a child of the fork server is waited for by the server. When the server was killed, the
child belongs to the system's first process, or to a subreaper, which may be this process. A pidfd
still leads to the child, and the kernel tells its status in three ways: to `waitid`, if the child
became this process's own; in /proc, as long as the child is a zombie; and since Linux 6.15 by an
ioctl of the pidfd, once it was reaped.

Invariant: the status is that of the pidfd's process and of no later one with the same process id.
What the kernel does not tell is None, never a guess.

Layer: process; imports the standard library only.
"""

from __future__ import annotations

import os
import struct
from contextlib import suppress

from .._base import poll

# struct pidfd_info of linux/pidfd.h in its first size: mask, cgroup, eleven more, the status last.
_INFO = struct.Struct("=Q52xi")
_INFO_EXIT = 1 << 3  # of the mask
_GET_INFO = 0xC000_FF0B | _INFO.size << 16  # _IOWR(0xff, 11, struct pidfd_info)

_REAPING_MS = 200  # the first process reaps at once; it may be a program that never does


def exitcode_of(pidfd: int, pid: int) -> int | None:
    """Return the exit code of a process that has ended; None if no one can tell.

    Args:
        pidfd: a pidfd of the process.
        pid: the process id that it had.
    """
    for way in (_from_wait, _from_zombie):
        status = way(pidfd, pid)
        if status is not None:
            return os.waitstatus_to_exitcode(status)
    # It is being reaped, or was: from then on a pidfd reports a hang-up besides.
    with suppress(OSError):
        poll.wait_events(pidfd, 0, _REAPING_MS)
    status = _from_ioctl(pidfd)
    return None if status is None else os.waitstatus_to_exitcode(status)


def _from_wait(pidfd: int, pid: int) -> int | None:
    """Reap the process, if it has become a child of this one."""
    try:
        end = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG)
    except (OSError, AttributeError):  # it is no child; an old kernel
        return None
    if end is None:
        return None
    exited = end.si_code == os.CLD_EXITED
    return end.si_status << 8 if exited else end.si_status


def _from_zombie(pidfd: int, pid: int) -> int | None:
    """Read the status in /proc, where it is the last field, before the process is reaped."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        import signal  # not cheap, and rarely needed

        signal.pidfd_send_signal(pidfd, 0)  # fails if it was reaped: the id may be another's
    except OSError:
        return None
    return int(fields[-1]) if fields[0] == b"Z" else None


def _from_ioctl(pidfd: int) -> int | None:
    """Ask the kernel, which keeps the status as long as the pidfd is open."""
    import fcntl

    request = bytearray(_INFO.pack(_INFO_EXIT, 0))
    try:
        fcntl.ioctl(pidfd, _GET_INFO, request)
    except OSError:  # before Linux 6.13
        return None
    mask, status = _INFO.unpack(request)
    return status if mask & _INFO_EXIT else None
