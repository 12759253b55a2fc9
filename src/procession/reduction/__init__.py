"""Pickling for other processes, and passing descriptors to them.

Idea: this module is the public face of `_pickling`, and of what `connection` does with descriptors.

Invariant: what is exported says that it is from here.

Layer: ipc; imports the base layer, `_pickling` and `connection`.
"""

from __future__ import annotations

import pickle

from .._base import export
from .._pickling.fd_reduce import DupFd
from .._pickling.fd_reduce import rebuild_socket as _rebuild_socket  # dill imports these two
from .._pickling.fd_reduce import reduce_socket as _reduce_socket
from .._pickling.pickler import ForkingPickler, dump, register
from ..connection._fd_messages import HAVE_SEND_HANDLE, recv_handle, recvfds, send_handle, sendfds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = [
    "HAVE_SEND_HANDLE",
    "AbstractReducer",
    "DupFd",
    "ForkingPickler",
    "_rebuild_socket",
    "_reduce_socket",
    "dump",
    "pickle",
    "recv_handle",
    "recvfds",
    "register",
    "send_handle",
    "sendfds",
]


class AbstractReducer:
    """Base of a class that a program sets as the ``reducer`` of a context.

    Its attributes take the place of this module's functions of the same names.
    """

    ForkingPickler = ForkingPickler
    register = register
    dump = staticmethod(dump)
    send_handle = staticmethod(send_handle)
    recv_handle = staticmethod(recv_handle)
    sendfds = staticmethod(sendfds)
    recvfds = staticmethod(recvfds)
    DupFd = staticmethod(DupFd)

    def __init__(self, *args: Any) -> None:
        """Args: args: ignored; subclasses may take some."""


export(__name__, ForkingPickler, DupFd, dump, recv_handle, recvfds, send_handle, sendfds)
