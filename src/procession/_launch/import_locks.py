"""Imports that other threads had under way when a process was forked.

Idea: the interpreter locks each module while a thread imports it. A forked child has the thread
that forked and no other; so what another was importing would stay locked there, and half made. The
child forgets both, and imports the module anew if it needs it. A pool's worker that is replaced
meets this: one thread forks it whenever a worker has died, whatever the program's threads are at.

Invariant: what this thread itself is importing is left as it is.

Layer: process.
"""

from __future__ import annotations

import _frozen_importlib as bootstrap  # also named importlib._bootstrap, once that is imported
import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def forget_those_of_other_threads() -> None:
    """In a forked child, before it imports anything."""
    # Name -> weak reference to the lock; empty while nothing is imported.
    locks: dict[str, Any] = vars(bootstrap)["_module_locks"]
    if not locks:
        return
    this = get_ident()
    for name, reference in list(locks.items()):
        lock = reference()
        if lock is None or lock.owner in (None, this):
            continue
        del locks[name]
        spec = getattr(sys.modules.get(name), "__spec__", None)
        if getattr(spec, "_initializing", False):
            del sys.modules[name]
