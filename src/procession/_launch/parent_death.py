"""The death pipe: it tells children of the end of their parent, or kills them then.

Idea: every process that starts children has one pipe. The write end is held by that process
alone and nothing is ever written; each child holds the read end. When the parent ends, in
whatever way, the kernel closes the write end and the read end reports a hang-up: that is the
child's `parent_process().sentinel`. A child that shall not outlive its parent asks the kernel to
make a SIGKILL of that event (a *death link*, see `die_with`). So nothing has to watch the pipe: not
a thread, which a busy child would starve, and not PR_SET_PDEATHSIG, which takes the end of the
parent's *thread* for the end of the parent.

The first process of a family is its root. When the root is killed no process of the family shall
stay. So the read end of its pipe is an inherited descriptor: every process that the family starts
links itself to it as well, unless it was made to outlive its parent. (A child by plain `os.fork` is
a root of its own.) When the root ends by its own will, by `os._exit` or `os.execv`, the standard
package leaves children alive that are no daemons. So this link does not kill at once: a handler in
the core looks how the root has ended (native/os/root_end.h). For that the root's pidfd is inherited
as well.

Invariant: no process but its owner holds a write end once the core's hooks of a fork have run.
After a plain fork the inherited descriptor is that of another family, which shows in the number of
forks that the core counts.

Layer: process; imports base and the core.
"""

from __future__ import annotations

import faulthandler
import os

# The module `signal` is not cheap, and each child would import it.
from _signal import SIGKILL  # type: ignore[import-not-found]
from _thread import start_new_thread

from .. import _core
from .._base import runtime

ROOT = "root"  # the name of the root's descriptor among the inherited ones
_ROOT_PIDFD = "root pidfd"

_root_since = 0  # the number of forks behind this process when that descriptor was entered


def pipe_fd() -> int:
    """Return the read end of this process's pipe, for its children; it stays open here."""
    global _root_since
    fd, forks = _core.death_pipe_fd(), _core.fork_count()
    if _root_since != forks or ROOT not in runtime.inherited_fds:
        _root_since = forks
        _become_root(fd)
    return fd


def _become_root(fd: int) -> None:
    """Enter what the family needs of this process, whose own pipe is *fd*, as its root."""
    runtime.inherited_fds.pop(_ROOT_PIDFD, None)
    try:
        runtime.inherited_fds[ROOT] = _core.root_pipe_fd()
    except (
        OSError
    ):  # no /proc here, or not for this user: then its children die with it in any case
        runtime.inherited_fds[ROOT] = os.dup(fd)
        return
    pidfd = _core.root_pidfd()
    if pidfd >= 0:
        runtime.inherited_fds[_ROOT_PIDFD] = pidfd


def pipe_fds(*, die_with_parent: bool, die_with_root: bool) -> tuple[int, ...]:
    """Return the read ends of the processes that a child of this one is to die with."""
    parent = pipe_fd()
    root = (runtime.inherited_fds[ROOT],) if die_with_root else ()
    return (*root, parent) if die_with_parent else root


def fork(read_ends: tuple[int, ...], start: _core.ProcessStart | None = None) -> int:
    """Fork a child that is killed when the write end of one of these pipes is closed.

    `faulthandler` is enabled in it, see `crash_report`.

    Args:
        start: what knows the child until its start is complete; without one, the child lives
            whatever is raised after the fork.

    Raises:
        OSError: no process, descriptor or memory is left.
        RuntimeError: the family has too many processes.
    """
    noted = () if start is None else (start,)
    try:
        return _core.fork(read_ends, faulthandler, *noted)
    except FileNotFoundError:  # no /proc here
        pid = _core.fork((), faulthandler, *noted)
        if pid == 0:
            for fd in read_ends:
                start_new_thread(_kill_at_hang_up, (fd,))
        return pid


def in_forked_child() -> None:
    """In a child that the family forked: `inherit_root` in fewer steps; `fork` has linked it."""
    global _root_since
    _root_since += 1  # the parent's was right


def inherit_root(*, die_with_root: bool) -> None:
    """In a child that was given the family's descriptors: note that its root is theirs.

    Args:
        die_with_root: whether to be killed when the root is killed.
    """
    global _root_since
    _root_since = _core.fork_count()
    root = runtime.inherited_fds.get(ROOT)
    if die_with_root and root is not None:
        pidfd = runtime.inherited_fds.get(_ROOT_PIDFD)
        if pidfd is not None:
            _core.set_root_pidfd(pidfd)
        die_with(root)


def die_with(read_end: int) -> None:
    """Have this process killed when the write end of *read_end* is closed."""
    try:
        _core.die_with(_core.open_death_link(read_end))
    except FileNotFoundError:  # no /proc here
        start_new_thread(_kill_at_hang_up, (read_end,))


def _kill_at_hang_up(fd: int) -> None:
    from .sentinel import wait_ended  # rarely needed, and every spawned child would import it

    wait_ended(fd, None)
    os.kill(os.getpid(), SIGKILL)
