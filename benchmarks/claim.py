"""One thing that is measured: which work, how much of it, and how fast it is said to be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import libraries
from .measurement import PARTS, Measurement


@dataclass(frozen=True)
class Claim:
    """One thing that is measured.

    Attributes:
        name: what the command line knows it by.
        what: one operation, for the table.
        work: measures *count* operations with a context; with the library's name for ``method`` "".
        count: operations in one measurement.
        target: how many times the standard package's speed; 1 for no slower.
        method: the start method of the helpers in it.
        peers: further packages that can do the same.
    """

    name: str
    what: str
    work: Callable[[Any, int], Measurement]
    count: int
    target: float
    method: str = "fork"
    peers: tuple[str, ...] = ()

    def measure(self, library: str, share: float) -> Measurement:
        """Measure *library* with that share of the operations."""
        count = max(int(self.count * share), min(self.count, PARTS))
        if not self.method:
            return self.work(library, count)
        return self.work(libraries.context(library, self.method), count)
