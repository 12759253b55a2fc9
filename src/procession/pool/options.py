"""What a pool's owner asks of its workers.

Idea: one record, checked once when the pool is made, that travels to each worker whole. The pool
reads none of it again; who starts workers and the workers themselves do.

Invariant: what is in an `Options` was checked.

Layer: pool.
"""

from __future__ import annotations

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
    """

    initializer: Callable[..., object] | None = None
    initargs: tuple[Any, ...] = ()
    max_tasks: int | None = None
    name: str | None = None
    seed: int | str | None = None

    def __post_init__(self) -> None:
        if self.max_tasks is not None:
            _positive(self.max_tasks, "maxtasksperchild")
        _callable(self.initializer, "initializer")
        if self.seed is not None and not isinstance(self.seed, int | str):
            raise TypeError(f"seed must be an int, a str or None, not {self.seed!r}")


def _positive(number: object, name: str) -> None:
    if not isinstance(number, int) or number < 1:
        raise ValueError(f"{name} must be a positive int or None")


def _callable(function: object, name: str) -> None:
    if function is not None and not callable(function):
        raise TypeError(f"{name} must be a callable")


def check_retries(retries: int) -> None:
    """Raises ValueError unless *retries* is a number of times."""
    if not isinstance(retries, int) or retries < 0:
        raise ValueError(f"retries must be 0 or more, not {retries!r}")
