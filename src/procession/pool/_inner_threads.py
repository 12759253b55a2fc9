"""How many threads the numerical libraries use in each worker.

Idea: they read environment variables when they are loaded. So a worker has these set before
anything of the program is imported there: a spawned one inherits them, a forked one sets them first
of all. What is loaded already (in the process that was forked) can only be told through
threadpoolctl, if that is installed.

Layer: pool.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from contextlib import AbstractContextManager
from typing import Any

from .._base import environment

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

_limiter: Any = None


class InnerThreads:
    """The wish of a pool. Where it is unpickled it comes into force, before what lies behind it.

    Args:
        count: of threads in each worker; None: as many as the libraries like.
    """

    def __init__(self, count: int | None):
        self.count = count

    def settle(self) -> None:
        """Come into force in this process."""
        if self.count is None:
            return
        os.environ.update(self._variables())
        if "numpy" in sys.modules or "threadpoolctl" in sys.modules:
            self._limit_loaded(self.count)

    def _limit_loaded(self, count: int) -> None:
        global _limiter  # its limits end with it
        if importlib.util.find_spec("threadpoolctl") is not None:
            _limiter = importlib.import_module("threadpoolctl").threadpool_limits(limits=count)

    def inherited(self) -> AbstractContextManager[None]:
        """Have processes that start meanwhile inherit it; other threads see the variables too."""
        return environment.inherited(self._variables())

    def _variables(self) -> dict[str, str]:
        return {} if self.count is None else dict.fromkeys(VARIABLES, str(self.count))

    def __reduce__(self) -> Any:
        return _arrive, (self.count,)


def _arrive(count: int | None) -> InnerThreads:
    inner = InnerThreads(count)
    inner.settle()
    return inner
