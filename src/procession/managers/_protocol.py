"""What manager and client say to one another, as objects.

Idea: a request is a tuple ``(ident, method, args, kwds)``; a reply is ``(kind, what)``, where
*kind* is one of the strings below. That is the standard package's protocol, so either side may be
that package. Replies through shared memory have kinds of their own, which are small integers.

Invariant: a reply of an unknown kind becomes an error, never a result.

Layer: pools and managers; imports the base layer.
"""

from __future__ import annotations

from typing import Any

from .._base.errors import ProcessError

Reply = tuple[str, Any]

RETURN = "#RETURN"  # the result
PROXY = "#PROXY"  # the result is another referent: the methods it exposes, and its token
ERROR = "#ERROR"  # the exception that the method raised
TRACEBACK = "#TRACEBACK"  # the text of an exception that is not the method's, or cannot be sent
UNSERIALIZABLE = "#UNSERIALIZABLE"  # the text of the exception that kept the reply from being sent

# The kinds of replies through a channel; see `_shm_server`.
DONE = 0  # the result
RAISED = 1  # a simple error: its name and its arguments
FETCH = 2  # the reply is to be fetched over the connection
CALL_BY_CONNECTION = 3  # this call has to wait: the client makes it again over the connection
ALWAYS_BY_CONNECTION = 4  # calls of this method are never made through channels

# The errors that a channel carries as name and arguments, where the arguments are simple and the
# error has no traceback worth sending.
SIMPLE_ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (IndexError, KeyError, StopIteration, TypeError, ValueError)
}


class Token:
    """The address of a referent: a manager's address, and a name that this manager knows.

    Attributes:
        typeid: the name under which the referent's type is registered.
        address: the manager's, as `connection.Client` takes it.
        id: the manager's name for the referent.
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


class ManagerLostError(
    ProcessError, EOFError, ConnectionResetError, ConnectionRefusedError, BrokenPipeError
):
    """The manager ended, before a call or in the middle of it, or closed the connection.

    It is each of the errors by which the standard package tells that.
    """


def convert_to_error(kind: str, result: Any) -> BaseException:
    """Return the exception that a reply stands for which holds no result."""
    if kind == ERROR and isinstance(result, BaseException):
        return result
    if kind in (TRACEBACK, UNSERIALIZABLE):
        if not isinstance(result, str):
            return TypeError(f"Result {result!r} (kind {kind!r}) type is {type(result)}, not str")
        if kind == UNSERIALIZABLE:
            return RemoteError(f"Unserializable message: {result}\n")
        return RemoteError(result)
    return ValueError(f"Unrecognized message type {kind!r}")


def result_or_raise(kind: str, result: Any) -> Any:
    """Return the result that a reply holds, or raise the exception that it holds."""
    if kind == RETURN:
        return result
    error = convert_to_error(kind, result)
    try:
        raise error
    finally:
        del error, result  # else the exception and this frame would keep each other alive
