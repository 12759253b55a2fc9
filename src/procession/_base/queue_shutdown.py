"""The exception of queues that were shut down.

Idea: `queue.ShutDown` came with CPython 3.13. Programs that know it get it; before that this class
stands for it, under the name `procession.queues.ShutDown` in either case.

Invariant: one class for all queues of the package. It has a module of its own, as `queue` is not
cheap to import, and most programs never shut a queue down.

Layer: base.
"""

from __future__ import annotations

import queue

from . import export


class _ShutDownError(Exception):
    """The queue was shut down: no more items can be put into it, or received from it."""


export("procession.queues", _ShutDownError)
_ShutDownError.__name__ = _ShutDownError.__qualname__ = "ShutDown"

ShutDown: type[Exception] = getattr(queue, "ShutDown", _ShutDownError)
