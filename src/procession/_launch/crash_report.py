"""What a process wrote when it crashed, read by its parent.

Idea: each child has a page of shared memory. The core's handler of fatal signals copies into it
what `faulthandler` writes to standard error, where it goes as well. The child needs no descriptor
for this and the parent no file: after the child's death the text is in the page.

Invariant: a program's own `faulthandler.enable()` does what it always did. A program with handlers
of its own for these signals keeps them, and then there is no report.

Layer: process; imports the core.
"""

from __future__ import annotations

import faulthandler
import os

from .. import _core
from .._pickling import core_hooks

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ..process import BaseProcess

core_hooks.give()

_BYTES = 1900  # a block of two kilobytes, with its header
_MAX_LINES = 16
_STANDARD_ERROR = 2
# The first frame of the package's own, below those of the program: `run` of the process.
_OWN_FRAMES = os.path.join(os.path.dirname(os.path.dirname(__file__)), "process", "")


def new_page() -> _core.Block:
    """Return the page of a process that is about to be started."""
    return _core.Block(_BYTES)


def write_to(page: _core.Block) -> None:
    """In the child: from now on, a crash is reported in *page*."""
    if not faulthandler.is_enabled():  # a forked child has inherited that
        if not _core.fatal_signals_unhandled():
            return
        faulthandler.enable(_STANDARD_ERROR, all_threads=False)
    _core.keep_crash_report(page)


def read(process_obj: BaseProcess) -> str:
    """Return the fatal error of a process that has ended, and where it was; '' if there was none.

    There is one after a death by SIGSEGV, SIGABRT, SIGBUS, SIGFPE or SIGILL, unless the process
    sent its dumps elsewhere than to standard error. It is lost when the process object is closed.
    """
    page = process_obj._crash_report
    if page is None:
        return ""
    text = bytes(memoryview(page)).partition(b"\0")[0].decode(errors="replace")
    lines = [line for line in text.splitlines() if line.strip()]
    own = (number for number, line in enumerate(lines) if _OWN_FRAMES in line)
    del lines[next(own, len(lines)) :]
    if len(lines) > _MAX_LINES:
        lines[_MAX_LINES:] = ["  ..."]
    return "\n".join(lines)
