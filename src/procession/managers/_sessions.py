"""The clients of a server: connections, and the processes that they belong to.

Idea: a client of this package begins each connection with a hello, which says which process it is;
so all connections of a process are known to belong together, and the process is alive as long as
one of them is open. A client of the standard package sends no hello; the server knows it by its
connections only.

Invariant: a process whose last connection has ended is gone: its references are given back. Unless
it said goodbye, the locks that it holds break.

Layer: pools and managers; imports the standard library only.
"""

from __future__ import annotations

import threading
from typing import Any

from ._objects import Holder, Referents

PROTOCOL = "procession/1"
"""The first item of a hello, in a field of the request that the standard protocol does not use."""

Hello = tuple[str, str, int, str]  # PROTOCOL, the client's id, its pid, its name


def is_hello(first: Any) -> bool:
    """Return whether the first item of a request is the hello of a client of this package."""
    return isinstance(first, tuple) and len(first) == 4 and first[0] == PROTOCOL


class Client(Holder):
    """A process that has said which one it is.

    Attributes:
        held: what it has locked; its ``client_died`` is called if the process dies.
        said_goodbye: whether it has said that it will end.
    """

    def __init__(self, ident: str, pid: int, name: str):
        super().__init__()
        self.id, self.pid, self.name = ident, pid, name
        self.connections = 0
        self.held: set[Any] = set()
        self.said_goodbye = False

    def __str__(self) -> str:
        return f"process {self.name} (pid {self.pid})"


class Caller:
    """A connection, which stands for one thread of a client.

    Attributes:
        client: the process, if it is known.
        held: what only this thread can release; its ``caller_ended`` is called when the connection
            has ended.
    """

    def __init__(self) -> None:
        self.client: Client | None = None
        self.held: set[Any] = set()

    def __str__(self) -> str:
        return f"a thread of {self.client or 'a client'}"


class Sessions:
    """All clients of a server. Args: referents: the references of clients are given back there."""

    def __init__(self, referents: Referents):
        self._referents = referents
        self._lock = threading.Lock()
        self._clients: dict[str, Client] = {}

    def join(self, caller: Caller, hello: Hello) -> None:
        """Note that *caller* belongs to the process that *hello* names."""
        _, ident, pid, name = hello
        with self._lock:
            client = self._clients.setdefault(ident, Client(ident, pid, name))
            client.connections += 1
            caller.client = client

    def leave(self, caller: Caller) -> None:
        """Note that a connection has ended; if it was the last of its process, that is gone."""
        for lock in list(caller.held):
            lock.caller_ended(caller)
        client, caller.client = caller.client, None
        if client is None:
            return
        with self._lock:
            client.connections -= 1
            if client.connections:
                return
            del self._clients[client.id]
        if not client.said_goodbye:
            for held in list(client.held):
                held.client_died(client)
        self._referents.release_all(client)
