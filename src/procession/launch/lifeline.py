"""The pipe by which children learn, or die of, the end of their parent.

Idea: every process that starts children has one pipe. The write end is held by that process
alone and nothing is ever written; each child holds the read end. When the parent ends, in
whatever way, the kernel closes the write end and the read end reports a hang-up: that is the
child's `parent_process().sentinel`. A child that shall not outlive its parent asks the kernel to
make a SIGKILL of that event (see `bond` in the core), so nobody has to watch: not a thread, which a
busy child would starve, and not PR_SET_PDEATHSIG, which takes the end of the parent's *thread* for
the end of the parent.

The first process of a family is its root. When that is killed nothing of the family shall stay, so
its read end is an heirloom: every process that the family starts arms it as well, unless it was
made to outlive its parent. (A child by plain `os.fork` is a root of its own.)

Invariant: no process but its owner holds a write end once the core's hooks of a fork have run.
After a plain fork the heirloom is that of another family, which shows in the number of forks that
the core counts.

Layer: process; imports base and the core.
"""

from __future__ import annotations

import os

# The module `signal` is not cheap, and each child would import it.
from _signal import SIGKILL  # type: ignore[import-not-found]
from _thread import start_new_thread

from .. import _ambient, _core

_ROOT = "root"  # the name of the heirloom

_root_since = 0  # the number of forks behind this process when the heirloom was entered


def read_end() -> int:
    """Return the read end of this process's pipe, for its children; it stays open here."""
    global _root_since
    end, forks = _core.lifeline(), _core.forks()
    if _root_since != forks or _ROOT not in _ambient.heirlooms:
        _root_since = forks
        _ambient.heirlooms[_ROOT] = os.dup(end)
    return end


def adopt(fd: int, *, die_with_parent: bool) -> int:
    """In a child: take the parent's read end *fd*, which is closed if another one replaces it.

    Returns:
        The descriptor that becomes readable when the parent has ended.
    """
    mine = _bond(fd) if die_with_parent else None
    if mine is None:
        return fd
    os.close(fd)
    return mine


def belong(*, die_with_root: bool) -> None:
    """In a child that was given the heirlooms of its family: its root is theirs.

    Args:
        die_with_root: whether to be killed when the root is gone, however it ended.
    """
    global _root_since
    _root_since = _core.forks()
    root = _ambient.heirlooms.get(_ROOT)
    if die_with_root and root is not None:
        _bond(root)


def in_forked_child(fd: int, *, die_with_parent: bool, die_with_root: bool) -> int:
    """In a child that the family forked: `belong`, and `adopt` the parent's end, in fewer steps."""
    global _root_since
    _root_since += 1  # the parent's was right
    if die_with_root:
        _bond(_ambient.heirlooms[_ROOT])
    return adopt(fd, die_with_parent=True) if die_with_parent else fd


def _bond(fd: int) -> int | None:
    """Have this process killed when the write end of *fd* is closed.

    Returns:
        A descriptor to be kept open; None for *fd* itself, which then is watched by a thread.
    """
    try:
        return _core.bond(fd)
    except FileNotFoundError:  # no /proc here
        start_new_thread(_die_with, (fd,))
        return None


def _die_with(fd: int) -> None:
    from .sentinel import wait_readable  # rarely needed, and every spawned child would import it

    wait_readable(fd, None)
    os.kill(os.getpid(), SIGKILL)
