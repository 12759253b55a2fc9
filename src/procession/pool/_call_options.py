"""What a caller agrees with the pool for one call of `map`, `imap` and the like.

Idea: the terms are the same for all of these, are checked once, before anything is sent, and travel
through the layers as one.

Invariant: what is in a `Terms` was checked, but for the limit, which is part of the program.

Layer: pool.
"""

from __future__ import annotations

from dataclasses import dataclass

from . import _progress
from ._options import check_retries


@dataclass(frozen=True)
class Terms:
    """The terms.

    Attributes:
        retries: how many times a task runs again whose worker was lost.
        timeout: seconds that each call of the function may take; None: no limit.
        progress: who is told how far it is.
    """

    retries: int = 0
    timeout: float | None = None
    progress: _progress.Wish = False

    def __post_init__(self) -> None:
        check_retries(self.retries)
        _progress.check(self.progress)
