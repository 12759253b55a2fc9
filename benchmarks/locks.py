"""A lock that nobody else wants: what every use of one costs at least."""

from __future__ import annotations

from functools import partial
from typing import Any

from .measurement import Measurement, of_batches


def acquire_release(context: Any, count: int) -> Measurement:
    """``lock.acquire(); lock.release()``."""
    return of_batches(partial(_by_call, context.Lock()), count)


def with_statement(context: Any, count: int) -> Measurement:
    """``with lock:``."""
    return of_batches(partial(_by_with, context.Lock()), count)


def _by_call(lock: Any, count: int) -> None:
    for _ in range(count):
        lock.acquire()
        lock.release()


def _by_with(lock: Any, count: int) -> None:
    for _ in range(count):
        with lock:
            pass
