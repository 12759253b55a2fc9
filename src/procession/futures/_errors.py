"""Errors of the pool in the words of `concurrent.futures`.

Idea: a program that was written for `concurrent.futures` catches `BrokenExecutor` when a worker is
lost, and the built-in `TimeoutError`. It may go on doing so; the new names say more.

Layer: on top.
"""

from __future__ import annotations

from concurrent.futures import BrokenExecutor

from .._base.errors import ProcessError, WorkerLostError


class LostWorkerError(WorkerLostError, BrokenExecutor):
    """The worker of this call is lost; the executor goes on with another one."""


class EndedError(ProcessError, BrokenExecutor):
    """The executor's workers were ended before this call was done."""


def translated(error: BaseException) -> BaseException:
    """*error* as a future of `concurrent.futures` would have it."""
    if isinstance(error, BrokenExecutor):
        return error
    if isinstance(error, WorkerLostError):
        return LostWorkerError(*error.args).with_traceback(error.__traceback__)
    if type(error) is ProcessError:
        return EndedError(*error.args).with_traceback(error.__traceback__)
    return error
