"""What the core calls of Python when it pickles, and what a channel raises.

Idea: the core lies below all modules and imports none of them. Instead it is given hooks: for each
thing it needs, a function that returns it (`_core.set_hooks`). The core calls the function when it
needs the thing for the first time, so importing this module imports nothing that is slow. Two other
modules give the hooks of the objects that they alone make: `synchronize` those of locks, and
`shared` that of keys.

Invariant: whatever makes a channel, or another object that lies in the family's memory, has called
`give` before: a module that makes such objects calls it when it is imported, or imports one that
does. A core without its hooks raises RuntimeError.

Layer: pickling; imports the base layer and the core.
"""

from __future__ import annotations

from .. import _core
from .._base import launch_state

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def give() -> None:
    """Give the core its hooks; calling it again changes nothing."""
    _core.set_hooks(
        dumps=_dumps,
        loads=_loads,
        pickling_error=_pickling_error,
        encode=_encode,
        name_culprit=_name_culprit,
        collect=_collect,
        queue_empty=_queue_empty,
        queue_full=_queue_full,
        queue_shut_down=_queue_shut_down,
    )


def load_queue_errors() -> None:
    """Import now what a queue raises: when the interpreter ends, nothing can be imported.

    For modules that import `queue` anyway; a channel for the result of a process does without.
    """
    _core.load_hooks("queue_empty", "queue_full")


# `_pickle` is the part of `pickle` that is written in C; the other part takes long to import.


def _dumps() -> Callable[..., bytes]:
    from _pickle import dumps

    return dumps


def _loads() -> Callable[..., Any]:
    from _pickle import loads

    return loads


def _pickling_error() -> type[Exception]:
    from _pickle import PicklingError

    return PicklingError


def _encode() -> Callable[..., bytes]:
    from .messages import encode

    return encode


def _name_culprit() -> Callable[..., None]:
    from .messages import name_culprit

    return name_culprit


def _collect() -> Callable[[Any], bool]:
    return launch_state.collect


def _queue_empty() -> type[Exception]:
    from queue import Empty

    return Empty


def _queue_full() -> type[Exception]:
    from queue import Full

    return Full


def _queue_shut_down() -> type[Exception]:
    from .._base.queue_shutdown import ShutDown

    return ShutDown
