"""Starting a child as a copy of this process.

Idea: nothing has to be sent to the child: what it runs is in its memory. The parent keeps one
descriptor, the sentinel.

Invariant: a fork in a program with threads is warned of, with the threads' names, because a lock
that one of them holds at that moment is held for ever in the child.

Layer: process; imports base and the core.
"""

from __future__ import annotations

import _thread
import os
import sys

from . import _core, util
from ._launch import forked_child, parent_death
from ._launch.popen import BasePopen
from ._launch.sentinel import Sentinel

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .process import BaseProcess

__all__ = ["Popen"]


class Popen(BasePopen):
    """The parent's object for a forked child."""

    method = "fork"

    def _launch(self, process_obj: BaseProcess) -> None:
        if _thread._count():
            _warn_of_threads()
        if not _core.is_dev_null(util._null):
            util._prepare_stdin()
        parent_pipe = parent_death.pipe_fd()
        pipes = parent_death.pipe_fds(
            die_with_parent=process_obj.die_with_parent,
            die_with_root=not process_obj.outlives_family,
        )
        sentinel = Sentinel()
        try:
            self.pid = parent_death.fork(pipes, self._start)
        except BaseException:
            sentinel.abandon()
            raise
        if self.pid == 0:
            forked_child.run(process_obj, parent_pipe, sentinel)
        self._open_sentinel(sentinel)


_OWN_THREADS = "procession-"


def _warn_of_threads() -> None:
    """Warn if the program's threads are alive, as the interpreter's own fork does from 3.12 on.

    The package's own threads hold no lock that a child could wait for. A program cannot avoid it
    either when one of them forks, to replace a pool's worker.
    """
    threading = sys.modules.get("threading")
    if threading is None:
        return
    this = threading.current_thread()
    others = [thread.name for thread in threading.enumerate() if thread is not this]
    others = [name for name in others if not name.startswith(_OWN_THREADS)]
    if not others or this.name.startswith(_OWN_THREADS):
        return
    import warnings

    names = ", ".join(map(repr, others))
    warnings.warn(
        f"This process (pid={os.getpid()}) is multi-threaded, use of fork() may lead to deadlocks "
        f"in the child. Threads alive besides this one: {names}. Start processes before threads, "
        "or use the start method 'forkserver' or 'spawn'",
        DeprecationWarning,
        stacklevel=6,
    )
