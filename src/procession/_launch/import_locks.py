"""Imports that other threads had under way when a process was forked.

Idea: the interpreter locks each module while a thread imports it. A forked child has no thread but
the one that forked. A module that another thread was importing would stay locked in the child, and
incomplete. So the child removes both, and imports the module again if it needs it. This happens to
a pool that replaces a worker: one thread forks whenever a worker has died, whatever the program's
other threads do at that moment.

Invariant: what this thread itself is importing is left as it is.

Layer: process; imports the standard library only.
"""

from __future__ import annotations

import _frozen_importlib as bootstrap  # also named importlib._bootstrap, once that is imported
import sys
from _thread import get_ident

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def remove_those_of_other_threads() -> None:
    """In a forked child, before it imports anything: remove locks and modules as told above."""
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
