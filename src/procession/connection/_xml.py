"""Connections whose messages are XML-RPC values instead of pickles.

Idea: a wrapper that turns objects into messages, and back, by two functions that it is given.

Invariant: nothing that arrives is unpickled.

Layer: ipc; imports the base layer; `xmlrpc` on first use.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ._listener import Client, Listener


class ConnectionWrapper:
    """*conn* with other functions to turn objects into bytes and back."""

    def __init__(self, conn: Any, dumps: Callable[[Any], bytes], loads: Callable[[bytes], Any]):
        self._conn = conn
        self._dumps = dumps
        self._loads = loads
        for name in ("fileno", "close", "poll", "recv_bytes", "send_bytes"):
            setattr(self, name, getattr(conn, name))

    def send(self, obj: Any) -> None:
        """Send *obj*."""
        self._conn.send_bytes(self._dumps(obj))

    def recv(self) -> Any:
        """Return the next object, waiting for it."""
        return self._loads(self._conn.recv_bytes())


def _xml_dumps(obj: Any) -> bytes:
    import xmlrpc.client as xmlrpc

    return xmlrpc.dumps((obj,), allow_none=True).encode("utf-8")


def _xml_loads(data: bytes) -> Any:
    import xmlrpc.client as xmlrpc

    (obj,), _ = xmlrpc.loads(data.decode("utf-8"))
    return obj


class XmlListener(Listener):
    """A `Listener` whose connections speak XML."""

    def accept(self, timeout: float | None = None) -> ConnectionWrapper:
        """Accept a client as `Listener.accept` does; return its connection in a wrapper."""
        return ConnectionWrapper(super().accept(timeout), _xml_dumps, _xml_loads)


def XmlClient(*args: Any, **kwargs: Any) -> ConnectionWrapper:
    """Connect to an `XmlListener`, with the arguments of `Client`."""
    return ConnectionWrapper(Client(*args, **kwargs), _xml_dumps, _xml_loads)
