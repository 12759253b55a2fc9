"""What is set up in a worker before its first task, and what its owner may limit.

Idea: each option of a pool that changes a worker is applied here, once, when the worker starts:

    threads_per_worker    Numerical libraries read environment variables when they are loaded. So a
                          worker has these set before anything of the program is imported there: a
                          spawned worker inherits them, a forked one sets them first of all. A
                          library that is loaded already is told through threadpoolctl, if that is
                          installed.
    seed                  A worker's random states are a function of the pool's seed and of the
                          worker's number, so a run can be repeated, and no two workers draw the
                          same numbers. A worker that replaces another has a new number.
    initializer           It is called with its arguments.
    worker_init           It makes the state that `worker_state` returns in tasks.
    max_memory_per_child  The kernel's file is opened that tells how much memory is used; one read
                          takes a microsecond or two, cheap enough to be done after each task.

Invariant: without a seed nothing is touched; the processes then have distinct random states as all
children of this package have (see `_launch.forked_child.reseed_numpy`).

Layer: pool; runs in the workers.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import random
import resource
import sys
from contextlib import AbstractContextManager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from .._base import environment

if TYPE_CHECKING:
    from ._options import WorkerOptions


def prepare(options: WorkerOptions, number: int) -> None:
    """Do all that worker *number* does once, before its first task.

    Raises:
        BaseException: what the owner's functions raise.
    """
    _seed_random_states(options.seed, number)
    _set_state(_no_state)  # a forked worker has inherited that of its parent
    if options.initializer is not None:
        options.initializer(*options.initargs)
    if options.worker_init is not None:
        _set_state(options.worker_init())


# ------------------------------------------------------------------------ threads of libraries

VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)

_limiter: Any = None  # the limits of threadpoolctl end with this object


class LibraryThreads:
    """How many threads a library may use. It is applied where it is unpickled.

    Args:
        count: of threads in each worker; None: the libraries' own default.
    """

    def __init__(self, count: int | None):
        self.count = count

    def apply(self) -> None:
        """Apply the limit to this process."""
        if self.count is None:
            return
        os.environ.update(self._variables())
        if "numpy" in sys.modules or "threadpoolctl" in sys.modules:
            self._limit_loaded(self.count)

    def _limit_loaded(self, count: int) -> None:
        global _limiter
        if importlib.util.find_spec("threadpoolctl") is not None:
            _limiter = importlib.import_module("threadpoolctl").threadpool_limits(limits=count)

    def inherited(self) -> AbstractContextManager[None]:
        """Have processes that are started meanwhile inherit it; other threads see it as well."""
        return environment.inherited(self._variables())

    def _variables(self) -> dict[str, str]:
        return {} if self.count is None else dict.fromkeys(VARIABLES, str(self.count))

    def __reduce__(self) -> Any:
        return _unpickle_threads, (self.count,)


def _unpickle_threads(count: int | None) -> LibraryThreads:
    threads = LibraryThreads(count)
    threads.apply()
    return threads


# ----------------------------------------------------------------------------- random states

_SEED_WORDS = 8  # of 32 bits, for numpy


def _seed_random_states(seed: int | str | None, number: int) -> None:
    """Give `random`, and numpy where it is loaded, the states of worker *number*."""
    if seed is None:
        return
    text = f"{seed!r}/{number}"
    random.seed(text)
    if "numpy" in sys.modules:
        numpy_random = importlib.import_module("numpy.random")  # numpy loads it on first use
        digest = sha256(text.encode()).digest()
        words = [int.from_bytes(digest[4 * i : 4 * i + 4], "little") for i in range(_SEED_WORDS)]
        numpy_random.seed(words)


# -------------------------------------------------------------------- what is kept between tasks

_no_state = object()
_state: Any = _no_state


def worker_state() -> Any:
    """Return what the pool's ``worker_init`` returned in this worker.

    Raises:
        RuntimeError: this is no worker of a pool that has one.
    """
    if _state is _no_state:
        raise RuntimeError(
            "there is no worker state here: it is made by Pool(worker_init=...), in its workers"
        )
    return _state


def _set_state(state: Any) -> None:
    global _state
    _state = state


# --------------------------------------------------------------------------------------- memory

_STATM_BYTES = 128  # seven numbers


class ResidentMemory:
    """How much memory this process occupies."""

    def __init__(self) -> None:
        self._fd = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
        self._page = resource.getpagesize()

    def bytes(self) -> int:
        """Return how many bytes of memory are present now."""
        return int(os.pread(self._fd, _STATM_BYTES, 0).split()[1]) * self._page
