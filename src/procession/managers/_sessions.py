"""Who talks to a server: connections, and the processes behind them.

Idea: a client of this package says with its first word who it is (`greeting`); then all its
connections are known to be of one process, and the process lives as long as one of them. A client
of the standard package says nothing; for it a connection is all there is.

Invariant: a process whose last connection has ended is gone: its references are given back, and
unless it said farewell, so are its locks.

Layer: pools and managers; imports the standard library only.
"""

from __future__ import annotations

import threading
from typing import Any

from ._objects import Holder, Referents

PROTOCOL = "procession/1"
"""What kin say to one another, in a place that the standard protocol does not use."""

Greeting = tuple[str, str, int, str]  # protocol, number of the client, pid, name


def is_greeting(word: Any) -> bool:
    """Whether the first word of a request is that of a client of this package."""
    return isinstance(word, tuple) and len(word) == 4 and word[0] == PROTOCOL


class Client(Holder):
    """A process that has said who it is.

    Attributes:
        held: what it has locked; each is told if the process dies (``client_died``).
        farewell: whether it has said that it will end.
    """

    def __init__(self, number: str, pid: int, name: str):
        super().__init__()
        self.number, self.pid, self.name = number, pid, name
        self.connections = 0
        self.held: set[Any] = set()
        self.farewell = False

    def __str__(self) -> str:
        return f"process {self.name} (pid {self.pid})"


class Caller:
    """A connection, which stands for one thread of a client.

    Attributes:
        client: the process, if known.
        held: what only this thread can release; each is told when the connection has ended
            (``conversation_ended``).
    """

    def __init__(self) -> None:
        self.client: Client | None = None
        self.held: set[Any] = set()

    def __str__(self) -> str:
        return f"a thread of {self.client or 'a client'}"


class Sessions:
    """All clients of a server. Args: referents: to which the references go back."""

    def __init__(self, referents: Referents):
        self._referents = referents
        self._lock = threading.Lock()
        self._clients: dict[str, Client] = {}

    def join(self, caller: Caller, greeting: Greeting) -> None:
        """Note that *caller* belongs to the process that *greeting* names."""
        _, number, pid, name = greeting
        with self._lock:
            client = self._clients.setdefault(number, Client(number, pid, name))
            client.connections += 1
            caller.client = client

    def leave(self, caller: Caller) -> None:
        """The connection has ended; with the last of a process that process has."""
        for lock in list(caller.held):
            lock.conversation_ended(caller)
        client, caller.client = caller.client, None
        if client is None:
            return
        with self._lock:
            client.connections -= 1
            if client.connections:
                return
            del self._clients[client.number]
        if not client.farewell:
            for held in list(client.held):
                held.client_died(client)
        self._referents.release_all(client)
