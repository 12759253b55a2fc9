"""Waiting with a time limit.

Idea: a public call turns its timeout (a length of time) into a deadline (a point on the monotonic
clock) once, on entry. Everything below passes the deadline down, so a wait that is begun again,
after a signal or after a wake-up meant for another, never lasts longer in total than was asked for.

Invariant: `remaining()` never grows and is never negative; ``None`` means for ever, and stays so.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

from time import monotonic

# What poll(2) can be asked for at once: it counts milliseconds in a C int.
_LONGEST_POLL_MS = 2**31 - 1


class Deadline:
    """A point on the monotonic clock, or never."""

    __slots__ = ("_when",)

    def __init__(self, timeout: float | None):
        """Args: timeout: seconds from now; ``None`` is never, 0 or less is at once."""
        self._when = None if timeout is None else monotonic() + timeout

    def remaining(self) -> float | None:
        """Seconds left, at least 0.0; None for ever."""
        if self._when is None:
            return None
        return max(0.0, self._when - monotonic())

    def remaining_ms(self) -> int | None:
        """What poll(2) takes: milliseconds left, rounded up so that no wait spins at its end."""
        seconds = self.remaining()
        if seconds is None:
            return None
        return min(_LONGEST_POLL_MS, -int(-seconds * 1000 // 1))

    @property
    def expired(self) -> bool:
        """Whether no time is left."""
        return self._when is not None and monotonic() >= self._when

    def __repr__(self) -> str:
        left = self.remaining()
        return "<Deadline never>" if left is None else f"<Deadline in {left:.3f} s>"
