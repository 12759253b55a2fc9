"""Objects that a library pickles with a pickler of its own.

Idea: such an object is wrapped. The wrapper's pickle contains the bytes that the library's pickler
makes of the object. They are made while the message itself is pickled, so that what the object
refers to in shared memory is held until the message has arrived.

Invariant: the receiver gets the object itself, never the wrapper.

Layer: context; imports the standard library only.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

Dumps = Callable[[Any], Any]
"""A pickler as a function: the object -> its pickle."""


class Packed:
    """An object that is pickled by *dumps*, in whatever message it is sent."""

    __slots__ = ("_dumps", "_obj")

    def __init__(self, obj: Any, dumps: Dumps):
        self._obj, self._dumps = obj, dumps

    def __reduce__(self) -> Any:
        return pickle.loads, (pickle.PickleBuffer(self._dumps(self._obj)),)


class PackingFunction:
    """A function for a worker: pickled by *forward*; its results are pickled by *backward*."""

    def __init__(self, function: Callable[..., Any], forward: Dumps, backward: Dumps):
        self._function, self._forward, self._backward = function, forward, backward

    def __call__(self, *args: Any, **kwargs: Any) -> Packed:
        return Packed(self._function(*args, **kwargs), self._backward)

    def __repr__(self) -> str:
        return repr(self._function)

    def __reduce__(self) -> Any:
        packed = Packed(self._function, self._forward)
        return PackingFunction, (packed, self._forward, self._backward)
