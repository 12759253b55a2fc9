"""What manager and client say to one another, as objects.

Idea: a request is a tuple ``(ident, method, args, kwds)``; an answer is ``(kind, what)``, where
*kind* is one of the strings below. That is the standard package's protocol, so either side may be
that.

Invariant: an answer of a kind that is not known becomes an error, never a result.

Layer: pools and managers; imports the base layer.
"""

from __future__ import annotations

from typing import Any

from .._base.errors import ProcessError

RETURN = "#RETURN"  # the result
PROXY = "#PROXY"  # the result is another referent: what it exposes, and its token
ERROR = "#ERROR"  # the exception that the method raised
TRACEBACK = "#TRACEBACK"  # the text of an exception that is not the method's, or cannot travel
UNSERIALIZABLE = "#UNSERIALIZABLE"  # the text of the exception that kept the answer from being sent

# What an answer through a channel is; see `_channel_service`.
DONE = 0  # the result
RAISED = 1  # a plain error: its name and its arguments
FETCH = 2  # the answer is to be fetched by the connection
WAIT = 3  # the call has to wait: it is to come by the connection
ELSEWHERE = 4  # calls of this method always come by the connection

# The errors that travel as name and arguments, where these are plain and there is no more to tell.
PLAIN_ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (IndexError, KeyError, StopIteration, TypeError, ValueError)
}


class Token:
    """The address of a referent: a manager's, and a name that this manager knows.

    Attributes:
        typeid: the name under which the referent's type is registered.
        address: the manager's, as `connection.Client` takes it.
        id: what the manager calls the referent.
    """

    __slots__ = ("address", "id", "typeid")

    def __init__(self, typeid: str, address: Any, id: str):
        self.typeid, self.address, self.id = typeid, address, id

    def __getstate__(self) -> tuple[str, Any, str]:
        return self.typeid, self.address, self.id

    def __setstate__(self, state: tuple[str, Any, str]) -> None:
        self.typeid, self.address, self.id = state

    def __repr__(self) -> str:
        name = type(self).__name__
        return f"{name}(typeid={self.typeid!r}, address={self.address!r}, id={self.id!r})"


class RemoteError(Exception):
    """An error in the manager that is not a method's own; shows the manager's traceback."""

    def __str__(self) -> str:
        line = "-" * 75
        return f"\n{line}\n{self.args[0]}{line}"


class ManagerLostError(ProcessError, EOFError, ConnectionResetError):
    """The manager ended, or broke the connection, in the middle of a call."""


def convert_to_error(kind: str, result: Any) -> BaseException:
    """Return the exception that an answer other than a result stands for."""
    if kind == ERROR and isinstance(result, BaseException):
        return result
    if kind in (TRACEBACK, UNSERIALIZABLE):
        if not isinstance(result, str):
            return TypeError(f"Result {result!r} (kind {kind!r}) type is {type(result)}, not str")
        if kind == UNSERIALIZABLE:
            return RemoteError(f"Unserializable message: {result}\n")
        return RemoteError(result)
    return ValueError(f"Unrecognized message type {kind!r}")
