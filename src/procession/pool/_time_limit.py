"""The time limit of a task: all that a pool does for ``timeout=``.

Idea: a call may be stuck in code that never returns to the interpreter, so the kernel ends it. The
worker arms a timer before each call of the function; the timer's signal is SIGKILL and needs no
thread and no handler (native/os/kill_timer.c). The steps, in the order in which they happen:

    check            parent      the limit is a length of time
    limit_chunksize  parent      an item has the limit for itself
    limited          worker      the timer is armed before the call, disarmed after it
    report           supervisor  a worker was killed by its timer: the text for the caller
    error            dispatcher  the exception that the caller gets

The limit is pickled with the function (see `_functions`), and the worker's status has the time at
which it ends (see `_worker_status`).

Invariant: the time counts from the start of the call in the worker, not from when it was sent. A
worker that was killed before its deadline is lost, not too slow. A task that took too long does not
run again, whatever its ``retries=``.

Layer: pool.
"""

from __future__ import annotations

import functools
import signal
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _core
from .._base import errors
from .._base.deadline import seconds_of

if TYPE_CHECKING:
    from ._worker_status import WorkerStatus

_NS_PER_S = 1e9


def check(limit: float | None) -> None:
    """Raise unless *limit* is a length of time, or None.

    Raises:
        TypeError: it is no number.
        ValueError: it is not more than 0.
    """
    try:
        if limit is not None and not limit > 0:
            raise ValueError(f"timeout must be more than 0 seconds, not {limit!r}")
    except TypeError:
        raise TypeError(f"timeout must be a number of seconds or None, not {limit!r}") from None


def check_for_threads(limit: float | None) -> None:
    """Raise ValueError if there is a limit, as a thread cannot be killed."""
    if limit is not None:
        raise ValueError("timeout= needs a pool of processes: a thread cannot be ended")


def limit_chunksize(chunksize: int | None, limit: float | None) -> int | None:
    """Return 1 where the caller has not chosen and there is a limit.

    An item that takes too long then costs the items beside it nothing.
    """
    return 1 if chunksize is None and limit is not None else chunksize


def limited(function: Callable[..., Any], limit: float | None) -> Callable[..., Any]:
    """Return *function* such that the kernel kills this worker if a call takes *limit* seconds."""
    if limit is None:
        return function
    arm, disarm = _core.begin_time_limit, _core.end_time_limit
    limit = seconds_of(limit)
    if limit is None:  # too long to be one
        return function

    @functools.wraps(function, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        arm(limit)
        try:
            return function(*args, **kwargs)
        finally:
            disarm()

    return call


def report(worker: Any, status: WorkerStatus) -> str | None:
    """Return what to tell the caller if its limit has ended *worker*; None if something else has.

    Args:
        worker: a process that has ended while it ran a task.
        status: the worker's last.
    """
    if worker.exitcode != -signal.SIGKILL or not status.deadline_ns:
        return None
    if time.monotonic_ns() < status.deadline_ns:
        return None
    return (
        f"took longer than its limit of {status.limit_ns / _NS_PER_S:g} s; worker {worker.name} "
        f"(pid {worker.pid}) was ended for it and is replaced"
    )


def error(task: str, report: str) -> BaseException:
    """Return the exception for the caller of *task*."""
    return errors.TimeoutError(f"{task} {report}")
