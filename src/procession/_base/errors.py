"""The exceptions of the package.

Idea: one small module that everything may import, so an error has one identity wherever it is
raised. The classes show themselves as ``procession.NAME``, the place where programs look for them.

Invariant: every exception here survives a round trip through pickle with all it says.

Layer: base.
"""

from __future__ import annotations

from . import export


class ProcessError(Exception):
    """Base of the errors that concern processes."""


class BufferTooShort(ProcessError):
    """The caller's buffer is shorter than the message; ``args[0]`` is the whole message."""


class TimeoutError(ProcessError):
    """A call with a time limit did not finish in time."""


class AuthenticationError(ProcessError):
    """The other process of a connection does not know the key."""


class BrokenLockError(ProcessError):
    """The owner of a lock died while it held it; the lock can be used again after ``reset()``."""


class _LostError(ProcessError):
    """A process ended, and what it had to do is lost."""

    def __init__(
        self,
        message: str = "",
        pid: int | None = None,
        exitcode: int | None = None,
        last_words: str = "",
    ):
        super().__init__(message, pid, exitcode, last_words)
        self.pid = pid
        self.exitcode = exitcode
        self.last_words = last_words

    def __str__(self) -> str:
        return str(self.args[0])


class WorkerLostError(_LostError):
    """A worker of a pool died while it had the task.

    Attributes:
        pid: the process id it had; None when it is not known.
        exitcode: as ``Process.exitcode``; negative for a signal.
        last_words: the fatal error of a worker that crashed; it is in the message, too.
    """


class ProcessLostError(_LostError):
    """A process ended without giving its result.

    Attributes:
        pid: the process id it had; None when it is not known.
        exitcode: as ``Process.exitcode``; negative for a signal.
        last_words: the fatal error of a process that crashed; it is in the message, too.
    """


export("procession", ProcessError, BufferTooShort, TimeoutError, AuthenticationError)
export("procession", BrokenLockError, WorkerLostError, ProcessLostError)
