"""The pipe by which children learn, or die of, the end of their parent.

Idea: every process that starts children has one pipe. The write end is held by that process
alone and nothing is ever written; each child holds the read end. When the parent ends, in
whatever way, the kernel closes the write end and the read end reports a hang-up: that is the
child's `parent_process().sentinel`. A child that shall not outlive its parent asks the kernel to
make a SIGKILL of that event (fcntl F_SETSIG with O_ASYNC), so nobody has to watch: not a thread,
which a busy child would starve, and not PR_SET_PDEATHSIG, which takes the end of the parent's
*thread* for the end of the parent.

Invariant: no process but its owner holds a write end once the hooks of a fork have run; making a
pipe and forking exclude each other, so no fork copies a write end that the hooks do not know.
The signal's owner belongs to an open file description, which forks share: a child arms a
description of its own, got by opening the pipe anew through /proc.

Layer: process; imports base.
"""

from __future__ import annotations

import fcntl
import os
from _thread import allocate_lock, start_new_thread

from .sentinel import wait_readable

_making = allocate_lock()
_own: tuple[int, int] | None = None  # (read end, write end) of this process's pipe


def read_end() -> int:
    """Return the read end of this process's pipe, for its children; it stays open here."""
    global _own
    if _own is None:
        with _making:
            if _own is None:
                _own = os.pipe()
    return _own[0]


def _after_fork_in_child() -> None:
    """The pipe is the parent's: give up its write end. The read end stays, for `adopt`."""
    global _own
    if _own is not None:
        os.close(_own[1])
        _own = None
    _making.release()


os.register_at_fork(
    before=_making.acquire,
    after_in_parent=_making.release,
    after_in_child=_after_fork_in_child,
)


def adopt(fd: int, *, die_with_parent: bool) -> int:
    """In a child: take the parent's read end *fd*, which is closed if another one replaces it.

    Returns:
        The descriptor that becomes readable when the parent has ended.
    """
    if not die_with_parent:
        return fd
    try:
        mine = os.open(f"/proc/self/fd/{fd}", os.O_RDONLY | os.O_NONBLOCK)
    except FileNotFoundError:  # no /proc here: then a thread has to watch
        start_new_thread(_die_with, (fd,))
        return fd
    os.close(fd)
    _arm(mine)
    return mine


def _arm(fd: int) -> None:
    """Have the kernel kill this process when the write end of *fd* is closed."""
    from signal import SIGKILL  # not cheap, and a child without bond does not need it

    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, fcntl.F_SETSIG, SIGKILL)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
    if wait_readable(fd, 0):  # the parent ended before the pipe was armed
        os.kill(os.getpid(), SIGKILL)


def _die_with(fd: int) -> None:
    from signal import SIGKILL

    wait_readable(fd, None)
    os.kill(os.getpid(), SIGKILL)
