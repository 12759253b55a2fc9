"""Functions on their way to the workers.

Idea: a function is pickled once per call, into a block of shared memory: a *program*. A task only
names the program; a worker loads it when it meets it first and remembers it. A function that goes
by name, as most do, gives the same program each time. A limit of time is part of the program.

Invariant: a program lives as long as a job that uses it; its number (the block's serial number) is
never used again, so a worker's memory cannot be wrong.

Layer: pool.
"""

from __future__ import annotations

import functools
import pickle
from collections import OrderedDict
from collections.abc import Callable
from time import monotonic_ns
from types import BuiltinFunctionType, FunctionType
from typing import Any

from .. import _core
from .._pickling import by_value

Function = Callable[..., Any]

_REMEMBERED = 64
_TASK = Callable[[Any], Any]

# ---------------------------------------------------------------------- how a task uses a function


def _apply(function: Function) -> _TASK:
    """The task is (args, kwargs)."""
    return lambda task: function(*task[0], **task[1])


def _each(function: Function) -> _TASK:
    """The task is one argument."""
    return function


def _chunk(function: Function) -> _TASK:
    """The task is a list of arguments."""
    return lambda task: [function(argument) for argument in task]


def _star_chunk(function: Function) -> _TASK:
    """The task is a list of tuples of arguments."""
    return lambda task: [function(*arguments) for arguments in task]


def _timed(cut: Callable[[Function], _TASK]) -> Callable[[Function], _TASK]:
    """Likewise; behind the results comes how many nanoseconds they took."""

    def timed(function: Function) -> _TASK:
        run = cut(function)

        def task(arguments: Any) -> Any:
            began = monotonic_ns()
            results = run(arguments)
            results.append(monotonic_ns() - began)
            return results

        return task

    return timed


MODES: dict[str, Callable[[Function], _TASK]] = {
    "apply": _apply,
    "each": _each,
    "chunk": _chunk,
    "star_chunk": _star_chunk,
    "timed_chunk": _timed(_chunk),
    "timed_star_chunk": _timed(_star_chunk),
}


def _limited(function: Function, limit: float) -> Function:
    """*function*, during which the process is killed when *limit* seconds have passed."""
    begin, end = _core.begin_limit, _core.end_limit

    @functools.wraps(function, updated=())
    def call(*args: Any, **kwargs: Any) -> Any:
        begin(limit)
        try:
            return function(*args, **kwargs)
        finally:
            end()

    return call


# ------------------------------------------------------------------------------------- the parent


def check_limit(limit: float | None) -> None:
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


class Program:
    """A function in shared memory.

    Args:
        function: what to call.
        mode: a key of `MODES`.
        limit: seconds that a call may take; None: no limit.
    Raises:
        ValueError, TypeError: see `check_limit`.
        pickle.PicklingError, AttributeError, TypeError: the function cannot be sent.
    """

    def __init__(self, function: Function, mode: str, limit: float | None):
        check_limit(limit)
        data = by_value.dumps((mode, function, limit))
        self.function = function  # keeps alive what the pickle refers to
        self.name = getattr(function, "__qualname__", None) or repr(function)
        self._block = _core.Block(len(data))
        memoryview(self._block)[:] = data
        self.serial = self._block.serial
        self.offset = self._block.offset


class Programs:
    """Makes programs, and remembers those of functions that are sent by name."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[Function, str, float | None], Program] = OrderedDict()

    def get(self, function: Function, mode: str, limit: float | None = None) -> Program:
        """Return the program of *function*; it must be called with a lock held.

        Raises: as `Program`.
        """
        if type(function) not in (FunctionType, BuiltinFunctionType):
            return Program(function, mode, limit)  # it may have changed since the last time
        key = (function, mode, limit)
        program = self._known.get(key)
        if program is None:
            program = Program(function, mode, limit)
            if by_value.goes_by_name(function):  # else its variables may change
                self._known[key] = program
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        return program


# ------------------------------------------------------------------------------------ the workers


class Loader:
    """The programs that a worker has met."""

    def __init__(self) -> None:
        self._loaded: OrderedDict[int, _TASK] = OrderedDict()

    def get(self, serial: int, offset: int) -> _TASK:
        """Return what to call with a task.

        Raises:
            BaseException: whatever the import or the rebuilding of the function raises.
        """
        task = self._loaded.get(serial)
        if task is None:
            block = _core._attach(_core.Block, _core.family_id(), offset, serial)
            mode, function, limit = pickle.loads(memoryview(block))
            if limit is not None:
                function = _limited(function, limit)
            task = self._loaded[serial] = MODES[mode](function)
            if len(self._loaded) > _REMEMBERED:
                self._loaded.popitem(last=False)
        return task
