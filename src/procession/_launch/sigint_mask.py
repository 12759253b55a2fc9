"""Ctrl-C while a process starts.

Idea: a terminal sends SIGINT to parent and children alike, and one that has just started does not
know yet what to do with it. So whoever starts a process that is to keep quiet blocks the signal
meanwhile: the child inherits that, settles how it takes the signal, and lets it come. Nor does a
KeyboardInterrupt come between a start and the note of it.

Invariant: a thread's mask is what it was, when the ``with`` block is left; what came meanwhile is
taken then.

Layer: process.
"""

from __future__ import annotations

# Not `signal`, whose functions turn every number into an enum and back.
import _signal as signal  # type: ignore[import-not-found]

_SIGINT = frozenset((signal.SIGINT,))


class blocked:
    """While the body of this ``with`` runs, SIGINT does not come to this thread."""

    def __enter__(self) -> None:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGINT)

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


class let_through(blocked):
    """The opposite, for a wait within a start: whoever is interrupted there has noted nothing."""

    def __enter__(self) -> None:
        self._before = signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGINT)


def are_blocked() -> bool:
    """Whether they are, in this thread."""
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def block() -> None:
    """They come to this thread no more."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGINT)


def unblock() -> None:
    """They come to this thread again."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGINT)
