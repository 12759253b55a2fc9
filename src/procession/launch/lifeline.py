"""The pipe by which children learn, or die of, the end of their parent.

Idea: every process that starts children has one pipe. The write end is held by that process
alone and nothing is ever written; each child holds the read end. When the parent ends, in
whatever way, the kernel closes the write end and the read end reports a hang-up: that is the
child's `parent_process().sentinel`. A child that shall not outlive its parent asks the kernel to
make a SIGKILL of that event (fcntl F_SETSIG with O_ASYNC), so nobody has to watch: not a thread,
which a busy child would starve, and not PR_SET_PDEATHSIG, which takes the end of the parent's
*thread* for the end of the parent.

The first process of a family is its root. When that is killed nothing of the family shall stay, so
its read end is an heirloom: every process that the family starts arms it as well, unless it was
made to outlive its parent. (A child by plain `os.fork` is a root of its own.)

Invariant: no process but its owner holds a write end once the hooks of a fork have run; making a
pipe and forking exclude each other, so no fork copies a write end that the hooks do not know.
The signal's owner belongs to an open file description, which forks share: a child arms a
description of its own, got by opening the pipe anew through /proc.

Layer: process; imports base.
"""

from __future__ import annotations

import fcntl
import os

# The module `signal` is not cheap, and each child would import it.
from _signal import SIGKILL  # type: ignore[import-not-found]
from _thread import allocate_lock, start_new_thread

from .. import _ambient
from .sentinel import wait_readable

_ROOT = "root"  # the name of the heirloom

_making = allocate_lock()
_own: tuple[int, int] | None = None  # (read end, write end) of this process's pipe
_root_before_fork: int | None = None  # the heirloom, in a forked child that has not taken it yet


def read_end() -> int:
    """Return the read end of this process's pipe, for its children; it stays open here."""
    global _own
    if _own is None:
        with _making:
            if _own is None:
                _own = os.pipe()
                if _ROOT not in _ambient.heirlooms:
                    _ambient.heirlooms[_ROOT] = fcntl.fcntl(_own[0], fcntl.F_DUPFD_CLOEXEC, 0)
    return _own[0]


def _after_fork_in_child() -> None:
    """The pipe is the parent's: give up its write end. The read end stays, for `adopt`."""
    global _own, _root_before_fork
    if _own is not None:
        os.close(_own[1])
        _own = None
    _root_before_fork = _ambient.heirlooms.pop(_ROOT, None)
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


def keep_root() -> None:
    """In a child that the family forked: its root is its parent's."""
    if _root_before_fork is not None:
        _ambient.heirlooms[_ROOT] = _root_before_fork


def die_with_root() -> None:
    """In a child: be killed when the root of the family is gone, however it ended."""
    root = _ambient.heirlooms.get(_ROOT)
    if root is not None:
        adopt(os.dup(root), die_with_parent=True)


def _arm(fd: int) -> None:
    """Have the kernel kill this process when the write end of *fd* is closed."""
    fcntl.fcntl(fd, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(fd, fcntl.F_SETSIG, SIGKILL)
    fcntl.fcntl(fd, fcntl.F_SETFL, os.O_NONBLOCK | os.O_ASYNC)
    if wait_readable(fd, 0):  # the parent ended before the pipe was armed
        os.kill(os.getpid(), SIGKILL)


def _die_with(fd: int) -> None:
    wait_readable(fd, None)
    os.kill(os.getpid(), SIGKILL)
