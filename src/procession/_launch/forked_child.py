"""A forked child: its first steps, and how it leaves.

Idea: the child is a copy of its parent, with one thread. It first puts aside what is the parent's
(imports of other threads, exit functions, descriptors), then runs as every child does. It leaves by
`os._exit`, because the rest of its stack is the parent's.

Invariant: a forked child never returns into the parent's code, whatever is raised, and runs none of
the parent's exit functions.

Layer: process; imports base.
"""

from __future__ import annotations

import atexit
import os
import sys

from .. import util
from .._base import finalize
from . import import_locks, parent_death

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from ..process import BaseProcess
    from .sentinel import Sentinel


def run(process_obj: BaseProcess, parent_pipe: int, sentinel: Sentinel) -> NoReturn:
    """Be the child, from right after the fork; *parent_pipe* is the parent's death pipe."""
    code = 1
    try:
        import_locks.remove_those_of_other_threads()
        finalize.reset_in_child()
        sentinel.in_forked_child()
        parent_death.in_forked_child()
        reseed_numpy()
        code = process_obj._bootstrap(parent_sentinel=parent_pipe)
    finally:
        leave(code)


def leave(code: int) -> NoReturn:
    """End a forked child: run its exit functions, then end the process."""
    try:
        atexit._run_exitfuncs()
        finalize._exit_function()
        util._flush_std_streams()
    finally:
        os._exit(code)


def reseed_numpy() -> None:
    """Give a forked child another state of numpy's global generator than its siblings have.

    The interpreter itself does so for `random`.
    """
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
