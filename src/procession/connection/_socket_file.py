"""The file of a listener's Unix socket: made, known to the tracker, removed.

Idea: the tracker is told of the name before it is made, and of the file as soon as there is one; so
whatever ends the family, and when, the name goes with it. Files in the process's private folder go
with that.

Invariant: a file is removed by the process that made it, once, and only while it is still the one
that was made.

Layer: ipc; imports the base layer and `resource_tracker`.
"""

from __future__ import annotations

import os

from .. import resource_tracker, util
from .._base import runtime

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from typing import Any

    _Identity = tuple[int, int]

# What the tracker knows a name as: one that may come to be, and one with a file. Each is taken back
# on its own: who fails to bind must not make it forget another's file.
_UNBORN, _BORN = "unborn_socket", "socket"


def bind(sock: socket.socket, path: str | bytes, owner: Any) -> util.Finalize:
    """Bind *sock* to *path*; the file goes when *owner* does, or when the result is called.

    Raises:
        OSError: there is a file of that name, or there cannot be one.
    """
    full = os.path.abspath(os.fsdecode(path))
    tracked = not _goes_with_a_folder(full) and _announce(full)
    try:
        sock.bind(path)
        identity = _identity(full)
        if tracked:
            resource_tracker.register(full, _BORN, identity)
    finally:
        if tracked:
            resource_tracker.unregister(full, _UNBORN)
    return util.Finalize(owner, _remove, args=(full, identity, tracked), exitpriority=0)


def _goes_with_a_folder(path: str) -> bool:
    """Whether *path* is in the private folder, which is known to the tracker itself."""
    return os.path.dirname(path) == runtime.current_process()._config.get("tempdir")


def _announce(path: str) -> bool:
    """Tell the tracker that there will be *path*; False if that is more than it can be told."""
    if os.path.lexists(path):
        return True  # somebody else's, not to be removed: binding will fail
    try:
        resource_tracker.register(path, _UNBORN)
    except ValueError:
        util.debug("the path of the socket %r is too long to be tracked", path)
        return False
    return True


def _identity(path: str) -> _Identity:
    """What tells the file at *path* from another that may take its place."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _remove(path: str, identity: _Identity, tracked: bool) -> None:
    """Remove the file, unless it has gone or another has its name now."""
    try:
        if _identity(path) != identity:
            return  # what the tracker knows of the name may be the other's
        os.unlink(path)
    except FileNotFoundError:
        util.debug("the socket file %r was gone already", path)
    if tracked:
        resource_tracker.unregister(path, _BORN)
