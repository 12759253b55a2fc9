"""Waiting with a time limit.

Idea: a public call turns its timeout (a length of time) into a deadline (a point on the monotonic
clock) once, on entry. Everything below passes the deadline down, so a wait that is begun again,
after a signal or after a wake-up meant for another, never lasts longer in total than was asked for.

What a timeout may be is decided here for all Python code, and by the same rule in the core
(native/python/arguments.c): NaN is a ValueError, what is no number a TypeError; an infinite
timeout, or one longer than any program runs, is none; a negative one is 0.

Invariant: `remaining()` never grows and is never negative; ``None`` means for ever, and stays so.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

from time import monotonic

# What poll(2) can be asked for at once: it counts milliseconds in a C int.
_LONGEST_POLL_MS = 2**31 - 1


# Seconds that are for ever: longer than any program runs, and far from overflow. As in the core.
LONGEST_TIMEOUT = 1e9


def seconds_of(timeout: float | None) -> float | None:
    """Return a timeout in seconds, at least 0; None waits for ever.

    Raises:
        TypeError: *timeout* is no number.
        ValueError: it is NaN.
    """
    if timeout is None:
        return None
    kind = type(timeout)
    if kind is not float and kind is not int:
        timeout = _number(timeout)
    if timeout != timeout:  # of NaN alone
        raise ValueError("timeout must be a number of seconds, not NaN")
    if timeout >= LONGEST_TIMEOUT:
        return None
    return float(timeout) if timeout > 0 else 0.0


def _number(timeout: float) -> float:
    """Return a number of another type as a float. Text is none, though float() would parse it."""
    kind = type(timeout)
    if not hasattr(kind, "__float__") and not hasattr(kind, "__index__"):
        raise TypeError(f"timeout must be a number of seconds, not {kind.__name__}")
    try:
        return float(timeout)
    except OverflowError:  # too large an integer
        return LONGEST_TIMEOUT if timeout > 0 else 0.0


class Deadline:
    """A point on the monotonic clock, or never."""

    __slots__ = ("_when",)

    def __init__(self, timeout: float | None):
        """Args: timeout: seconds from now, by the rule of `seconds_of`; ``None`` is never."""
        seconds = None if timeout is None else seconds_of(timeout)
        self._when = None if seconds is None else monotonic() + seconds

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
