"""What a pool's owner asks of its workers.

Idea: one record, checked once when the pool is made, that travels to each worker whole. The pool
reads none of it again; who starts workers and the workers themselves do.

Invariant: what is in an `Options` was checked.

Layer: pool.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Options:
    """The wishes.

    Attributes:
        initializer, initargs: to be called first in each worker, if not None.
        max_tasks: how many tasks a worker does; None: no end.
        name: what workers are called after; None: after their start method.
        seed: what the workers' random states are made of; None: of nothing that could be repeated.
        max_memory: a worker that occupies more bytes after a task is replaced; None: no end.
        worker_init: makes the worker's state, see `state`.
        worker_exit: is given it when the worker ends in order.
        threads: how many threads numerical libraries use in a worker; None: as they like.
        trace: the file that a timeline goes to; None: there is none.
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
        _positive(self.max_tasks, "maxtasksperchild")
        _positive(self.max_memory, "max_memory_per_child")
        _positive(self.threads, "threads_per_worker")
        check_callable(self.initializer, "initializer")
        check_callable(self.worker_init, "worker_init")
        check_callable(self.worker_exit, "worker_exit")
        if self.worker_exit is not None and self.worker_init is None:
            raise ValueError("worker_exit is given what worker_init returned: there must be one")
        if self.name is not None and not isinstance(self.name, str):
            raise TypeError(f"name must be a str or None, not {self.name!r}")
        if self.seed is not None and not isinstance(self.seed, int | str):
            raise TypeError(f"seed must be an int, a str or None, not {self.seed!r}")


def _positive(number: object, name: str) -> None:
    if number is not None and (not isinstance(number, int) or number < 1):
        raise ValueError(f"{name} must be a positive int or None")


def check_callable(function: object, name: str) -> None:
    """Raise TypeError unless *function* can be called or is None."""
    if function is not None and not callable(function):
        raise TypeError(f"{name} must be a callable")


def checked_size(size: Any, name: str) -> int:
    """Return *size*, so many items, as an int of 1 or more.

    Raises:
        TypeError: it is no whole number.
        ValueError: it is less.
    """
    try:
        number = operator.index(size)
    except TypeError:
        raise TypeError(f"{name} must be an int, not {size!r}") from None
    if number < 1:
        raise ValueError(f"{name.capitalize()} must be 1+, not {number}")
    return number


def check_retries(retries: int) -> None:
    """Raise ValueError unless *retries* is a number of times."""
    if not isinstance(retries, int) or retries < 0:
        raise ValueError(f"retries must be 0 or more, not {retries!r}")
