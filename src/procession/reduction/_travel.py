"""Descriptors and sockets in messages.

Idea: in a message stands a stand-in for the descriptor, which the receiver turns into a descriptor
of its own: a child being launched has inherited it, anybody else fetches it from the sender.

Invariant: what travels is a duplicate: the sender may close the original as soon as the call that
pickled it has returned.

Layer: ipc; imports the base layer; `resource_sharer` and `socket` on first use.
"""

from __future__ import annotations

from .. import _ambient
from ._pickler import reduce_sockets_by

TYPE_CHECKING = False  # as the type checkers know it; importing typing is not cheap
if TYPE_CHECKING:
    import socket
    from typing import Any


def DupFd(fd: int) -> Any:
    """Return a picklable stand-in for the descriptor *fd*.

    Pickled for a process that is being launched, the descriptor is inherited; in any other message
    the receiver fetches it from this process.

    Returns:
        An object whose ``detach()`` gives the receiver its own descriptor, once.
    """
    popen = _ambient.spawning_popen()
    if popen is not None:
        return popen.DupFd(popen.duplicate_for_child(fd))
    from .. import resource_sharer  # on first use: most programs never send a descriptor

    return resource_sharer.DupFd(fd)


def _reduce_socket(sock: socket.socket) -> tuple[Any, ...]:
    return _rebuild_socket, (DupFd(sock.fileno()), sock.family, sock.type, sock.proto)


def _rebuild_socket(stand_in: Any, family: int, type: int, proto: int) -> socket.socket:
    import socket

    return socket.socket(family, type, proto, fileno=stand_in.detach())


reduce_sockets_by(_reduce_socket)
