"""Descriptors and sockets in pickles.

Idea: a pickle contains a stand-in for the descriptor, from which the receiver gets a descriptor of
its own: a child that is being launched inherits it, any other process fetches it from the sender.

Invariant: the stand-in has a duplicate, so the sender may close the original as soon as the call
that pickled it has returned.

Layer: pickling; imports the base layer; `socket` on first use.
"""

from __future__ import annotations

from .._base import hooks, launch_state

TYPE_CHECKING = False
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
    popen = launch_state.spawning_popen()
    if popen is not None:
        return popen.DupFd(popen.duplicate_for_child(fd))
    return hooks.share_fd(fd)


def reduce_socket(sock: socket.socket) -> tuple[Any, ...]:
    """Return what a pickle of *sock* holds."""
    return rebuild_socket, (DupFd(sock.fileno()), sock.family, sock.type, sock.proto)


def rebuild_socket(stand_in: Any, family: int, type: int, proto: int) -> socket.socket:
    """Return the socket that `reduce_socket` put into a pickle."""
    import socket

    return socket.socket(family, type, proto, fileno=stand_in.detach())
