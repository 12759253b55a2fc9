"""Which methods are nonblocking: they return at once, or raise `MustWait` where they would wait.

Idea: one thread carries out the nonblocking calls of all clients (see `_shm_server`). So a method
counts as nonblocking only if the very class of its object is known here, or if that class says so
itself: a program's class may have an attribute ``_nonblocking_``, the names of its methods that
never wait.

Invariant: a nonblocking method that raises MustWait has changed nothing.

Layer: pools and managers; imports the standard library only.
"""

from __future__ import annotations

import array
from collections.abc import Callable, Iterable
from typing import Any

_declared: dict[type, frozenset[str]] = {}
_conditions: dict[type, Callable[[Any], bool]] = {}

Method = Callable[..., Any]


def declare(
    kind: type, methods: Iterable[str], condition: Callable[[Any], bool] | None = None
) -> None:
    """Say that *methods* of objects of exactly *kind* are nonblocking, if *condition* holds."""
    _declared[kind] = frozenset(methods)
    if condition is not None:
        _conditions[kind] = condition


def is_nonblocking(obj: Any, name: str) -> bool:
    """Return whether the method *name* of *obj* is nonblocking."""
    kind = type(obj)
    declared = _declared.get(kind)
    if declared is None:  # what a class says holds for itself, not for classes derived from it
        return name in vars(kind).get("_nonblocking_", ())
    condition = _conditions.get(kind)
    return name in declared and (condition is None or condition(obj))


# Left out: methods that return the object itself, a view or an iterator; and `sort`, which calls
# the methods of what the list contains.
declare(
    dict,
    (
        *("__contains__", "__delitem__", "__getitem__", "__len__", "__setitem__", "clear", "copy"),
        *("get", "pop", "popitem", "setdefault", "update"),
    ),
)
declare(
    list,
    (
        *("__contains__", "__delitem__", "__getitem__", "__len__", "__setitem__", "append"),
        *("clear", "copy", "count", "extend", "index", "insert", "pop", "remove", "reverse"),
    ),
)
declare(
    set,
    (
        *("__and__", "__contains__", "__len__", "__or__", "__sub__", "__xor__", "add", "clear"),
        *("copy", "difference", "difference_update", "discard", "intersection"),
        *("intersection_update", "isdisjoint", "issubset", "issuperset", "pop", "remove"),
        *("symmetric_difference", "symmetric_difference_update", "union", "update"),
    ),
)
declare(array.array, ("__len__", "__getitem__", "__setitem__"))
_iterators: tuple[Any, ...] = (iter([]), iter({}), iter(set()))
for _iterator in _iterators:
    declare(type(_iterator), ("__next__",))
