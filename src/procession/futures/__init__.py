"""`ProcessPoolExecutor`: the interface of `concurrent.futures` on this package's pool.

Idea: a future is a call of a pool whose callbacks fill it; a map is an imap. There is no queue and
no thread beside those of the pool, and a worker that dies costs its own future, not the executor.

The parts: `_executor` is the interface, `_future` a future and how its call ends, `_errors` the
errors that are errors of `concurrent.futures` too.

Layer: on top; uses the public interface of the pool.
"""

from .._base import export
from ._errors import LostWorkerError
from ._executor import ProcessPoolExecutor

__all__ = ["LostWorkerError", "ProcessPoolExecutor"]

export(__name__, LostWorkerError, ProcessPoolExecutor)
