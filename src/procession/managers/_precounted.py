"""References that the manager has counted before this process makes the proxy for them.

Idea: when a manager creates a referent, it counts the client's reference at once. The proxy is made
afterwards, by a function that may be a program's and knows nothing of that. So the reference is
written down here, for the thread that makes the proxy; the proxy finds it here, and need not count.

Invariant: each entry stands for one reference that no proxy gives back yet.

Layer: pools and managers; imports the standard library only.
"""

from __future__ import annotations

import threading


class PrecountedReferences(threading.local):
    """The references to one manager's referents that are counted and have no proxy yet."""

    def __init__(self) -> None:
        self._idents: list[str] = []

    def add(self, ident: str) -> None:
        """Write down a reference for the proxy that this thread makes next."""
        self._idents.append(ident)

    def remove(self, ident: str) -> bool:
        """Return whether there was a reference; it is the caller's now."""
        if ident not in self._idents:
            return False
        self._idents.remove(ident)
        return True
