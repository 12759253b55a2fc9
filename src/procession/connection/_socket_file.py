"""The file of a listener's Unix socket: made, known to the tracker, removed.

Idea: the tracker is told of the name before the file is made, and of the file as soon as it is
there; so the file is removed however and whenever the family ends. A file in the private folder of
the process is removed with the folder.

Invariant: a file is removed by the process that made it, once, and only while it is still the file
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

# Kinds of resources for the tracker: a name at which a file may be made, and a file that was made.
# Each is unregistered alone: a listener that fails to bind must not have the tracker forget the
# file of another listener.
_ANNOUNCED, _MADE = "announced_socket", "socket"


def bind(sock: socket.socket, path: str | bytes, owner: Any) -> util.Finalize:
    """Bind *sock* to *path*; the file is removed with *owner*, or when the result is called.

    Raises:
        OSError: there is a file of that name, or there cannot be one.
    """
    full = os.path.abspath(os.fsdecode(path))
    tracked = not _is_in_private_folder(full) and _announce(full)
    try:
        sock.bind(path)
        identity = _identity(full)
        if tracked:
            resource_tracker.register(full, _MADE, identity)
    finally:
        if tracked:
            resource_tracker.unregister(full, _ANNOUNCED)
    return util.Finalize(owner, _remove, args=(full, identity, tracked), exitpriority=0)


def _is_in_private_folder(path: str) -> bool:
    """Return whether *path* is in the private folder, which the tracker knows."""
    return os.path.dirname(path) == runtime.current_process()._config.get("tempdir")


def _announce(path: str) -> bool:
    """Tell the tracker that *path* will be made; return False if it is too long for the tracker."""
    if os.path.lexists(path):
        return True  # the file of another listener, not to be removed: binding will fail
    try:
        resource_tracker.register(path, _ANNOUNCED)
    except ValueError:
        util.debug("the path of the socket %r is too long to be tracked", path)
        return False
    return True


def _identity(path: str) -> _Identity:
    """Return what distinguishes the file at *path* from a later one of the same name."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def _remove(path: str, identity: _Identity, tracked: bool) -> None:
    """Remove the file, unless it was removed or another file has its name now."""
    try:
        if _identity(path) != identity:
            return  # what the tracker knows of the name may concern the other file
        os.unlink(path)
    except FileNotFoundError:
        util.debug("the socket file %r was gone already", path)
    if tracked:
        resource_tracker.unregister(path, _MADE)
