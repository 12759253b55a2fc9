"""The exception of queues that were shut down.

Idea: `queue.ShutDown` came with CPython 3.13. Programs that know it get it; before that this class
stands for it, under the name `procession.queues.ShutDown` in either case.

Invariant: one class for all queues of the package. It has a module of its own, as `queue` is not
cheap to import, and most programs never shut a queue down.

Layer: base.
"""

from __future__ import annotations

import queue


class _ShutDownError(Exception):
    """The queue was shut down, and nothing (more) can be put or taken."""


_ShutDownError.__module__ = "procession.queues"
_ShutDownError.__name__ = _ShutDownError.__qualname__ = "ShutDown"

ShutDown: type[Exception] = getattr(queue, "ShutDown", _ShutDownError)
