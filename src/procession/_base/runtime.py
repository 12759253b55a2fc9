"""What this process is: the object that stands for it, its parent, what it inherited.

Idea: a log record needs the name of the current process, a listener its key; but logs and
connections lie below the process package. So these facts are kept here, at the bottom: the layer
that knows a fact writes it, every module may read it, and no module imports upwards.

Invariant: there is always one current process once the process package is imported. Its parent
object is made at the first call of `parent_process`.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ..process import BaseProcess

_current_process: BaseProcess | None = None
_parent_process: BaseProcess | None = None
_make_parent: Callable[[], BaseProcess] | None = None  # makes the parent's object at the first use

# True while the package stands in for the standard one. Children of every start method are told,
# and do the same before they import the main module.
stand_in: bool = False

# How many processes share the processors with this one, itself included: in the worker of a pool,
# the size of the pool times the same number of the process that made the pool.
cpu_sharers: int = 1

# Descriptors that every member of the family has, whatever its start method, by name: the socket
# to the fork server, the resource tracker's pipe. The module that opens one enters it here. In a
# child it is here, perhaps under another number, before that module is imported.
inherited_fds: dict[str, int] = {}

# The interpreter that children are started with; None: the program has said that there is none.
executable: bytes | None = os.fsencode(sys.executable) if sys.executable else None

# Ends a helper process of the family, if it runs: by "fork server" and "resource tracker". The
# module that starts the helper enters its function here.
stop_helper: dict[str, Callable[[], None]] = {}

# The directory the program started in, which a relative entry of sys.path was relative to.
original_dir: str | None = None


def current_process() -> BaseProcess:
    """Return the object that stands for this process."""
    assert _current_process is not None, "the process module has not been imported yet"
    return _current_process


def parent_process() -> BaseProcess | None:
    """Return the object that stands for the parent; None in the main process."""
    global _parent_process, _make_parent
    if _make_parent is not None:
        _parent_process, _make_parent = _make_parent(), None
    return _parent_process


def set_main_process(current: BaseProcess) -> None:
    """Make *current* the object of this process, which has no parent in the family."""
    global _current_process
    _current_process = current


def set_child_process(current: BaseProcess, make_parent: Callable[[], BaseProcess]) -> None:
    """Make *current* the object of this process; *make_parent* makes the one of its parent."""
    global _current_process, _make_parent
    _current_process, _make_parent = current, make_parent
