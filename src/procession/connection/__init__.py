"""Connections: messages through pipes and sockets, listeners, and waiting for many of them.

Idea: this module is the public face of its package. What needs sockets is imported on first use, so
that a child process that inherits a pipe starts without it.

Invariant: what is exported says that it is from here.

Layer: ipc; imports the base layer and `_pickling`.
"""

# ruff: noqa: F401 - the names that this module only shows
from __future__ import annotations

import sys

from .._base import export
from .._base.errors import AuthenticationError, BufferTooShort
from .._pickling.pickler import current_pickler, replace_pickler
from ._address import address_type, arbitrary_address, default_family, families
from ._address import validate_family as _validate_family
from ._auth import (
    _CHALLENGE,
    _FAILURE,
    _WELCOME,
    CHALLENGE,
    FAILURE,
    MESSAGE_LENGTH,
    WELCOME,
    _create_response,
    _verify_challenge,
    answer_challenge,
    deliver_challenge,
)
from ._base import _ConnectionBase
from ._fd_connection import Connection, Pipe
from ._reduce import rebuild_connection, reduce_connection
from ._wait import wait

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._handshake import ConnectionTimeout
    from ._listener import Client, Listener, SocketClient, SocketListener
    from ._tls import TLSConnection
    from ._wait import WaitSource
    from ._xml import ConnectionWrapper, XmlClient, XmlListener

__all__ = [
    "AuthenticationError",
    "BufferTooShort",
    "Client",
    "Connection",
    "ConnectionTimeout",
    "ConnectionWrapper",
    "Listener",
    "Pipe",
    "SocketClient",
    "SocketListener",
    "TLSConnection",
    "XmlClient",
    "XmlListener",
    "address_type",
    "answer_challenge",
    "arbitrary_address",
    "default_family",
    "deliver_challenge",
    "families",
    "wait",
]

# The block size in which connections on other systems read; kept for programs that look it up.
BUFSIZE = 8192

_ON_FIRST_USE = {
    "Client": "_listener",
    "ConnectionTimeout": "_handshake",
    "ConnectionWrapper": "_xml",
    "Listener": "_listener",
    "SocketClient": "_listener",
    "SocketListener": "_listener",
    "TLSConnection": "_tls",
    "XmlClient": "_xml",
    "XmlListener": "_xml",
}


def __getattr__(name: str) -> Any:
    module = _ON_FIRST_USE.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(f".{module}", __name__), name)
    export(__name__, value)
    return value


export(
    __name__,
    Connection,
    Pipe,
    _ConnectionBase,
    address_type,
    answer_challenge,
    arbitrary_address,
    deliver_challenge,
    rebuild_connection,
    reduce_connection,
    wait,
)


class _Face(type(sys)):  # type: ignore[misc]
    """The type of this module, whose `_ForkingPickler` programs replace by their own."""

    @property
    def _ForkingPickler(self) -> Any:
        return current_pickler()

    @_ForkingPickler.setter
    def _ForkingPickler(self, pickler: Any) -> None:
        replace_pickler(pickler)


sys.modules[__name__].__class__ = _Face
