"""Which methods are prompt: they answer at once, or raise `MustWait` where they would wait.

Idea: one thread carries out the prompt calls of all clients (`_channel_service`). So a method is
only taken for prompt where its object's very class is known here, or says so itself: a program's
class may have an attribute ``_prompt_``, the names of its methods that never wait.

Invariant: a prompt method that raises MustWait has changed nothing.

Layer: pools and managers; imports the standard library only.
"""

from __future__ import annotations

import array
from collections.abc import Callable, Iterable
from typing import Any

_known: dict[type, frozenset[str]] = {}
_conditions: dict[type, Callable[[Any], bool]] = {}

Method = Callable[..., Any]


def declare(
    kind: type, methods: Iterable[str], condition: Callable[[Any], bool] | None = None
) -> None:
    """Say that *methods* of objects of exactly *kind* are prompt, if *condition* holds."""
    _known[kind] = frozenset(methods)
    if condition is not None:
        _conditions[kind] = condition


def is_prompt(obj: Any, name: str) -> bool:
    """Whether the method *name* of *obj* is prompt."""
    kind = type(obj)
    known = _known.get(kind)
    if known is None:  # what a class says holds for it, not for those that are derived from it
        return name in vars(kind).get("_prompt_", ())
    condition = _conditions.get(kind)
    return name in known and (condition is None or condition(obj))


# Not those that return the object itself, a view or an iterator; `sort` calls what is in the list.
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
