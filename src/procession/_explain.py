"""Which part of an object cannot be pickled, and what to do about it.

Idea: pickle names the type it refused, not where it was. So the object is taken apart and each
part is tried alone: where a whole fails but none of its parts does, the whole is the trouble.

Invariant: it only looks: the search ends whatever the object (cycles, depth, size), and an
error during the search never hides the error that is being explained.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

TYPE_CHECKING = False  # as the type checkers know it; importing typing is not cheap
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

_DEEPEST = 30
_WIDEST = 10_000

_REMEDIES = {
    "lock": "use the Lock of a procession context, which can be sent",
    "RLock": "use the RLock of a procession context, which can be sent",
    "Condition": "use the Condition of a procession context, which can be sent",
    "generator": "send what the generator is made from, or a list of its values",
    "module": "import the module where it is used",
    "TextIOWrapper": "send the file's name and open it on the other side",
    "BufferedReader": "send the file's name and open it on the other side",
    "BufferedWriter": "send the file's name and open it on the other side",
    "Connection": "open the connection on the other side",
    "function": "define it at the top level of a module",
    "type": "define it at the top level of a module",
}
_REMEDY = "make it on the other side, or leave it out with __getstate__"


def explanation(name: str, obj: Any, dumps: Callable[[Any], Any]) -> str:
    """Say where in *obj*, called *name*, the object is that *dumps* refuses, and a remedy."""
    path, culprit = find(name, obj, dumps)
    kind = type(culprit).__name__
    return f"{path} is a {kind}, which cannot be sent: {_REMEDIES.get(kind, _REMEDY)}"


def find(name: str, obj: Any, dumps: Callable[[Any], Any]) -> tuple[str, Any]:
    """Return the path to, and the innermost part of *obj* that *dumps* refuses."""
    path, seen = name, set[int]()
    for _ in range(_DEEPEST):
        seen.add(id(obj))
        for label, part in _parts(obj):
            if id(part) not in seen and not _works(dumps, part):
                path, obj = path + label, part
                break
        else:
            break
    return path, obj


def _works(dumps: Callable[[Any], Any], obj: Any) -> bool:
    try:
        dumps(obj)
    except Exception:  # noqa: BLE001 - whatever it raises is the answer
        return False
    return True


def _parts(obj: Any) -> Iterator[tuple[str, Any]]:
    """The parts of *obj*, each with what to write after the name of the whole."""
    if isinstance(obj, dict):
        yield from ((f"[{key!r}]", value) for key, value in _some(obj.items()))
        yield from ((f".keys()[{i}]", key) for i, key in enumerate(_some(obj)))
    elif isinstance(obj, list | tuple):
        yield from ((f"[{i}]", value) for i, value in enumerate(_some(obj)))
    elif isinstance(obj, set | frozenset):
        yield from ((f"{{{i}}}", value) for i, value in enumerate(_some(obj)))
    elif not isinstance(obj, type):
        yield from _parts_of_code(obj)
        yield from _attributes(obj)


def _parts_of_code(obj: Any) -> Iterator[tuple[str, Any]]:
    """What a bound method, a partial or a closure carries with it."""
    if getattr(obj, "__func__", None) is not None:
        yield ".__self__", obj.__self__
    for name in ("func", "args", "keywords"):
        if type(obj).__name__ == "partial":
            yield f".{name}", getattr(obj, name)
    closure = getattr(obj, "__closure__", None) or ()
    for name, cell in zip(
        getattr(obj, "__code__", obj).co_freevars if closure else (), closure, strict=True
    ):
        try:
            yield f".<variable {name}>", cell.cell_contents
        except ValueError:  # an empty cell
            continue


def _attributes(obj: Any) -> Iterator[tuple[str, Any]]:
    """The attributes that pickle would take: the state the object gives, else its dictionary."""
    try:
        state = obj.__getstate__()
    except Exception:  # noqa: BLE001 - then the object itself is what refuses
        return
    for states in state if isinstance(state, tuple) else (state,):
        if isinstance(states, dict):
            yield from ((f".{name}", value) for name, value in _some(states.items()))


def _some(items: Any) -> Iterator[Any]:
    """At most so many of *items* that the search ends soon."""
    for _, item in zip(range(_WIDEST), items, strict=False):
        yield item
