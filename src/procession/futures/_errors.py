"""Errors of the pool that are errors of `concurrent.futures` too.

Idea: a program that was written for `concurrent.futures` catches `BrokenExecutor` when a worker is
lost. It may go on doing so, as the errors here are of both classes; the new names say more.

Layer: on top.
"""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

from .._base.errors import ProcessError, WorkerLostError


class LostWorkerError(WorkerLostError, BrokenExecutor):
    """The worker of this call is lost; the executor goes on with another one."""


class TerminatedError(ProcessError, BrokenExecutor):
    """The executor's workers were ended before this call was done."""


def translated(error: BaseException) -> BaseException:
    """Return *error* as an error of `concurrent.futures`."""
    if isinstance(error, BrokenExecutor):
        return error
    if isinstance(error, WorkerLostError):
        return LostWorkerError(*error.args).with_traceback(error.__traceback__)
    if type(error) is ProcessError:
        return TerminatedError(*error.args).with_traceback(error.__traceback__)
    return error
