"""The lock that belongs to a shared mapping or list.

Idea: it is made when a process first asks for it, and is then owned by the mapping or list: a
process that has the container can find its lock.

Layer: ipc.
"""

from __future__ import annotations

from typing import Any

from .. import _core
from ..synchronize import RLock


def owned_lock(shared: Any) -> RLock:
    """Return the lock of *shared*, the same for all processes."""
    offset, serial = shared._owned_lock()
    lock: RLock = _core._attach(RLock, _core.family_id(), offset, serial)
    return lock
