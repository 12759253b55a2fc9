"""Signals while a process starts: Ctrl-C, and for a forked worker SIGTERM.

Idea: a terminal sends SIGINT to parent and children alike. A process that has just started has not
decided yet what to do with it. So the parent of a worker or server blocks the signal in the thread
that starts it. The child inherits that, installs its handler and unblocks the signal. This also
keeps a KeyboardInterrupt out of the moment between a start and the note of it. A forked worker
begins with its parent's handlers, which write to the parent's wake-up descriptor: there SIGTERM is
blocked likewise, until the worker has its own.

Invariant: a thread's mask is what it was when the ``with`` block is left; a signal that came
meanwhile is delivered then.

Layer: process; imports the standard library only.
"""

from __future__ import annotations

# Not `signal`, whose functions turn every number into an enum and back.
import _signal as signal  # type: ignore[import-not-found]

_SIGINT = frozenset((signal.SIGINT,))


class blocked:
    """While the body of this ``with`` runs, SIGINT is blocked in this thread.

    Args:
        also: other signals to block.
    """

    def __init__(self, *also: int) -> None:
        self._signals = _SIGINT.union(also)

    def __enter__(self) -> None:
        self._before = signal.pthread_sigmask(signal.SIG_BLOCK, self._signals)

    def __exit__(self, *_: object) -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, self._before)


class unblocked(blocked):
    """The opposite, for a wait within a start: an interrupt there leaves nothing behind."""

    def __enter__(self) -> None:
        self._before = signal.pthread_sigmask(signal.SIG_UNBLOCK, self._signals)


def is_blocked() -> bool:
    """Return whether SIGINT is blocked in this thread."""
    return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def block() -> None:
    """Block SIGINT in this thread."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGINT)


def unblock(*also: int) -> None:
    """Unblock SIGINT in this thread, and other signals."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGINT.union(also))
