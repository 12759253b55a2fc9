"""Functions in shared memory, which the workers call.

Idea: a function is pickled once per call of the pool, into a block of shared memory. A task has
only the block's number in it; a worker unpickles the function when it gets its first task of it,
and caches it. For a function that is pickled by its name, as most are, the same block is used
again by the next call. The way in which the function is called and its time limit are pickled with
it.

Invariant: a shared function lives as long as a job that uses it. Its number (the block's serial
number) is never used again, so what a worker has cached cannot be wrong.

Layer: pool.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic_ns
from types import BuiltinFunctionType, FunctionType
from typing import Any

from .. import _core
from .._base import safe_text
from .._pickling import by_value, core_hooks
from . import _time_limit

core_hooks.give()

Function = Callable[..., Any]

_CACHED = 64
_RUN = Callable[[Any], Any]

# ------------------------------------------------------------------- how a task calls a function


def _apply(function: Function) -> _RUN:
    """A task is (args, kwargs)."""
    return lambda task: function(*task[0], **task[1])


def _each(function: Function) -> _RUN:
    """A task is one argument."""
    return function


def _chunk(function: Function) -> _RUN:
    """A task is a list of arguments."""
    return lambda task: [function(argument) for argument in task]


def _star_chunk(function: Function) -> _RUN:
    """A task is a list of tuples of arguments."""
    return lambda task: [function(*arguments) for arguments in task]


def _timed(mode: Callable[[Function], _RUN]) -> Callable[[Function], _RUN]:
    """Return *mode* such that the nanoseconds which the calls took follow the results."""

    def timed(function: Function) -> _RUN:
        run = mode(function)

        def run_timed(task: Any) -> Any:
            began = monotonic_ns()
            results = run(task)
            results.append(monotonic_ns() - began)
            return results

        return run_timed

    return timed


MODES: dict[str, Callable[[Function], _RUN]] = {
    "apply": _apply,
    "each": _each,
    "chunk": _chunk,
    "star_chunk": _star_chunk,
    "timed_chunk": _timed(_chunk),
    "timed_star_chunk": _timed(_star_chunk),
}


# ------------------------------------------------------------------------------------- the parent


class SharedFunction:
    """A function in shared memory.

    Args:
        function: what to call.
        mode: how a task calls it: a key of `MODES`.
        limit: seconds that a call may take; None: no limit.
    Raises:
        ValueError, TypeError: *limit* is not a length of time.
        pickle.PicklingError, AttributeError, TypeError: the function cannot be sent.
    """

    def __init__(self, function: Function, mode: str, limit: float | None):
        _time_limit.check(limit)
        data = by_value.dumps((mode, function, limit))
        self.function = function  # keeps alive what the pickle refers to
        self.name = safe_text.callable_name(function)
        self._block = _core.Block(len(data))
        memoryview(self._block)[:] = data
        self.serial = self._block.serial
        self.offset = self._block.offset


class SharedFunctions:
    """Makes shared functions, and caches those that are pickled by name."""

    def __init__(self) -> None:
        self._cache: OrderedDict[tuple[Function, str, float | None], SharedFunction] = OrderedDict()

    def get(self, function: Function, mode: str, limit: float | None = None) -> SharedFunction:
        """Return *function* in shared memory. The dispatcher is locked by the caller.

        Raises: as `SharedFunction`.
        """
        if type(function) not in (FunctionType, BuiltinFunctionType):
            return SharedFunction(function, mode, limit)  # it may have changed since the last time
        key = (function, mode, limit)
        shared = self._cache.get(key)
        if shared is None:
            shared = SharedFunction(function, mode, limit)
            if by_value.goes_by_name(function):  # else its variables may change
                self._cache[key] = shared
                if len(self._cache) > _CACHED:
                    self._cache.popitem(last=False)
        return shared


# ------------------------------------------------------------------------------------ the workers


class FunctionCache:
    """The functions that a worker has unpickled."""

    def __init__(self) -> None:
        self._cache: OrderedDict[int, _RUN] = OrderedDict()

    def get(self, serial: int, offset: int) -> _RUN:
        """Return what to call with a task.

        Raises:
            BaseException: whatever the import or the rebuilding of the function raises.
        """
        run = self._cache.get(serial)
        if run is None:
            block = _core._attach(_core.Block, _core.family_id(), offset, serial)
            mode, function, limit = pickle.loads(memoryview(block))
            run = self._cache[serial] = MODES[mode](_time_limit.limited(function, limit))
            if len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return run
