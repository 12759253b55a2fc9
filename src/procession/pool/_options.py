"""The options of a pool's workers, and those of one call.

Idea: the options of the workers are one record, checked once when the pool is made, and sent to
each worker as a whole. The options that `map`, `imap` and the like have in common are another
record, checked before anything is sent.

Invariant: the values in a record were checked; only the time limit of a call is checked later, when
its function is shared (see `_time_limit`).

Layer: pool.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from . import _progress


@dataclass(frozen=True)
class WorkerOptions:
    """What a pool's owner wants its workers to be like.

    Attributes:
        initializer, initargs: called first in each worker; None: nothing is.
        max_tasks: how many tasks a worker runs; None: any number.
        name: the prefix of the workers' names; None: the name of their start method.
        seed: the source of the workers' random states; None: they cannot be repeated.
        max_memory: a worker that occupies more bytes after a task is replaced; None: any number.
        worker_init: makes the worker's state, see `worker_state`.
        worker_exit: called with that state when the worker ends in order.
        threads: how many threads numerical libraries use in a worker; None: their own default.
        trace: the file of the timeline; None: there is none.
    """

    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()
    max_tasks: int | None = None
    name: str | None = None
    seed: int | str | None = None
    max_memory: int | None = None
    worker_init: Callable[[], Any] | None = None
    worker_exit: Callable[[Any], object] | None = None
    threads: int | None = None
    trace: str | None = None

    def __post_init__(self) -> None:
        _check_positive(self.max_tasks, "maxtasksperchild")
        _check_positive(self.max_memory, "max_memory_per_child")
        _check_positive(self.threads, "threads_per_worker")
        check_callable(self.initializer, "initializer")
        check_callable(self.worker_init, "worker_init")
        check_callable(self.worker_exit, "worker_exit")
        if self.worker_exit is not None and self.worker_init is None:
            raise ValueError("worker_exit is given what worker_init returned: there must be one")
        if self.name is not None and not isinstance(self.name, str):
            raise TypeError(f"name must be a str or None, not {self.name!r}")
        if self.seed is not None and not isinstance(self.seed, int | str):
            raise TypeError(f"seed must be an int, a str or None, not {self.seed!r}")


@dataclass(frozen=True)
class CallOptions:
    """The options that `map`, `starmap`, `imap` and their variants have in common.

    Attributes:
        retries: how many times a task runs again whose worker was lost.
        timeout: seconds that each call of the function may take; None: no limit.
        progress: True for a bar, or a callable that is told how many items are done.
    """

    retries: int = 0
    timeout: float | None = None
    progress: _progress.ProgressOption = False

    def __post_init__(self) -> None:
        check_retries(self.retries)
        _progress.check(self.progress)


def _check_positive(number: object, name: str) -> None:
    if number is not None and (not isinstance(number, int) or number < 1):
        raise ValueError(f"{name} must be a positive int or None")


def check_callable(function: object, name: str) -> None:
    """Raise TypeError unless *function* can be called or is None."""
    if function is not None and not callable(function):
        raise TypeError(f"{name} must be a callable")


def checked_size(size: Any, name: str) -> int:
    """Return *size*, a number of items, as an int of 1 or more.

    Raises:
        TypeError: *size* is not a whole number.
        ValueError: *size* is less than 1.
    """
    try:
        number = operator.index(size)
    except TypeError:
        raise TypeError(f"{name} must be an int, not {size!r}") from None
    if number < 1:
        raise ValueError(f"{name.capitalize()} must be 1+, not {number}")
    return number


def check_retries(retries: int) -> None:
    """Raise ValueError unless *retries* is an int of 0 or more."""
    if not isinstance(retries, int) or retries < 0:
        raise ValueError(f"retries must be 0 or more, not {retries!r}")
