"""Errors that come from a worker: what a task raised, and how a worker was lost.

Idea: an exception loses its traceback when it is pickled, so the text of the traceback is sent with
it and becomes the exception's cause in the parent. An exception that cannot be pickled, or cannot
be rebuilt from its pickle, is found out in the worker and replaced by an error that says so: the
caller always gets an exception. Texts are cut to a bounded length, so that they fit into memory
where the object did not.

A worker that has died sends nothing. The supervisor knows how it ended, the dispatcher knows which
task it had; so the supervisor puts plain values into the channel of results, and the dispatcher
makes the exception of them.

Invariant: what `portable` returns has been pickled and rebuilt once, so it can be again.

Layer: pool.
"""

from __future__ import annotations

import pickle
from types import TracebackType
from typing import Any

from .._base import errors, safe_text
from .._launch import crash_report, exit_reason
from .._launch.result import RemoteTraceback as RemoteTraceback

# ---------------------------------------------------------------------------- what a task raised


class MaybeEncodingError(Exception):
    """A task's result, or its exception, cannot be sent to the caller.

    Attributes:
        exc: what was wrong, as text.
        value: what could not be sent, as text.
    """

    def __init__(self, exc: object, value: object):
        self.exc = exc if isinstance(exc, str) else safe_text.text_of(exc)
        self.value = value if isinstance(value, str) else safe_text.text_of(value)
        super().__init__(self.exc, self.value)

    def __str__(self) -> str:
        return f"Error sending result: '{self.value}'. Reason: '{self.exc}'"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


class ExceptionWithTraceback:
    """An exception to be pickled: unpickled it is itself again, its remote traceback the cause.

    Args:
        exc: the exception; it need not take new attributes.
        tb: its traceback in this process.
    """

    def __init__(self, exc: BaseException, tb: TracebackType | None):
        BaseException.with_traceback(exc, tb)
        self.exc = exc
        self.tb = f'\n"""\n{safe_text.traceback_of(exc)}"""'
        # The frames would keep everything alive that the task had.
        safe_text.forget_frames(exc)

    def __reduce__(self) -> tuple[Any, ...]:
        return rebuild_exc, (self.exc, self.tb)


def rebuild_exc(exc: BaseException, tb: str) -> BaseException:
    """Give *exc* its remote traceback as the cause.

    Raises:
        TypeError: *exc* is no exception: its pickle gives something else.
    """
    safe_text.set_cause(exc, RemoteTraceback(tb))
    return exc


def portable(exc: BaseException) -> ExceptionWithTraceback:
    """Return *exc* with its traceback, or a substitute that names it if it cannot be sent."""
    wrapped = ExceptionWithTraceback(exc, exc.__traceback__)
    try:
        pickle.loads(pickle.dumps(wrapped))
    except BaseException as reason:  # noqa: BLE001 - whatever its own methods raise
        wrapped.exc = _substitute(
            exc,
            f"{safe_text.name_of(reason)} (an exception must be rebuilt from its args: see "
            f"__reduce__ of {type(exc).__qualname__})",
        )
    return wrapped


def portable_text(exc: BaseException, reason: BaseException) -> ExceptionWithTraceback:
    """Return what tells of *exc*, which could not be sent for *reason*: a few words, all text."""
    wrapped = ExceptionWithTraceback(exc, exc.__traceback__)
    wrapped.exc = _substitute(exc, safe_text.name_of(reason))
    return wrapped


def _substitute(exc: BaseException, reason: str) -> BaseException:
    """Return what is sent in place of *exc*: a MemoryError where memory is the reason."""
    if isinstance(exc, MemoryError):
        return MemoryError(safe_text.text_of(exc, str))
    return MaybeEncodingError(reason, safe_text.name_of(exc))


# ---------------------------------------------------------------------------- how a worker was lost

Loss = tuple[str, int, int, str]
"""Which worker it was and how it ended; its process id; its exit code; its crash report, if any."""


def describe_loss(worker: Any) -> Loss:
    """Return what there is to say of *worker*, a process that has ended."""
    how = f"worker {worker.name} (pid {worker.pid}) {exit_reason.describe(worker.exitcode)}"
    return how, worker.pid, worker.exitcode, crash_report.read(worker)


def worker_lost_error(loss: Loss, task: str) -> errors.WorkerLostError:
    """Return the exception for the caller of *task*, which the lost worker ran."""
    how, pid, exitcode, report = loss
    said = f"{how}, while it ran {task}"
    if report:
        said += f". Its last words:\n{report}"
    return errors.WorkerLostError(said, pid, exitcode, report)
