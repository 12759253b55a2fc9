"""A connection that carries the messages of managers and clients: requests and replies.

Idea: the connection below carries bytes; what a message is as bytes depends on the library at the
other side (see `_pickle`). A connection of another kind (XML) carries objects in its own way.

Invariant: a message that cannot be pickled is not sent, not even in part.

Layer: pools and managers; imports ipc.
"""

from __future__ import annotations

import pickle
from typing import Any

from ..connection._base import _ConnectionBase
from ._pickle import decode, encode
from ._protocol import result_or_raise


class MessageConnection:
    """A connection on which requests and replies alternate.

    Args:
        raw: the connection below.
    Attributes:
        same_library: whether the other side uses this package as well, and knows that we do.
        channels: the `ChannelCalls` that belong to the connection, if there are any.
    """

    channels: Any = None

    def __init__(self, raw: Any):
        self.raw = raw
        self.same_library = False
        self._pickles = isinstance(raw, _ConnectionBase)

    def encode(self, obj: Any) -> Any:
        """Return what `send_encoded` sends. Raises: Exception: what pickling raises."""
        return encode(obj, self.same_library) if self._pickles else obj

    def send_encoded(self, message: Any) -> None:
        """Send what `encode` returned. Raises: OSError: the other side is gone."""
        if not self._pickles:
            self.raw.send(message)
        elif len(message) == 1:
            self.raw._send_bytes(message[0])
        else:
            self.raw._send_parts(message)

    def send(self, obj: Any) -> None:
        """Send *obj*. Raises: as `encode` and `send_encoded`."""
        self.send_encoded(self.encode(obj))

    def recv_encoded(self) -> Any:
        """Return what `decode` takes. Raises: EOFError, OSError: the other side is gone."""
        return self.raw.recv_bytes() if self._pickles else self.raw.recv()

    def decode(self, message: Any) -> Any:
        """Return the object that *message* holds. Raises: Exception: what unpickling raises."""
        if not self._pickles:
            return message
        try:
            return pickle.loads(message) if self.same_library else decode(message)
        except EOFError as error:  # which would mean that the other side is gone
            raise pickle.UnpicklingError(f"a message ends too soon: {error}") from error

    def recv(self) -> Any:
        """Return the next object. Raises: as `recv_encoded` and `decode`."""
        return self.decode(self.recv_encoded())

    def fileno(self) -> int:
        """Return the descriptor."""
        return int(self.raw.fileno())

    def close(self) -> None:
        """Close the connection."""
        self.raw.close()


def dispatch(c: Any, id: Any, methodname: str, args: Any = (), kwds: Any = None) -> Any:
    """Make a request over the connection *c* and return the result.

    Raises:
        RemoteError: the request failed in the manager; shows the manager's traceback.
        Exception: what the method raised.
        EOFError, OSError: the manager is gone.
    """
    conn = c if isinstance(c, MessageConnection) else MessageConnection(c)
    conn.send((id, methodname, args, kwds or {}))
    return result_or_raise(*conn.recv())
