"""Which part of an object cannot be pickled, and what to do about it.

Idea: pickle names the type that it refused, not where it was. So each part of the object is pickled
alone. Where an object is refused and none of its parts is, the object itself is the cause.

Invariant: nothing is changed. The search ends for every object (cycles, depth, size), and an error
during the search never hides the error that is being explained.

Layer: base; imports the standard library only.
"""

from __future__ import annotations

from collections import deque
from pickle import PicklingError
from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from types import CodeType
    from typing import Any

    _Parts = Iterator[tuple[str, Any]]

# What pickle raises when it refuses an object. Anything else comes out of a class's own methods,
# which another pickler would call just the same.
REFUSALS = (PicklingError, TypeError, AttributeError)

_MADE_BY_PYTHON_CODE = 1 << 9  # Py_TPFLAGS_HEAPTYPE
_DEEPEST = 100
_WIDEST = 10_000

_CONTEXT = "use the {} of a procession context, which can be sent"
_FILE = "send the file's name and open it on the other side"
_VALUES = "send what it is made from, or a list of its values"
_REMEDIES = {
    "lock": _CONTEXT.format("Lock"),
    **{name: _CONTEXT.format(name) for name in ("RLock", "Condition", "Event", "Barrier", "Queue")},
    **{name: _CONTEXT.format(name) for name in ("Semaphore", "BoundedSemaphore")},
    "SimpleQueue": _CONTEXT.format("SimpleQueue"),
    **dict.fromkeys(("TextIOWrapper", "BufferedReader", "BufferedWriter"), _FILE),
    **dict.fromkeys(("BufferedRandom", "FileIO", "mmap"), _FILE),
    **dict.fromkeys(("generator", "map", "filter", "zip"), _VALUES),
    **dict.fromkeys(("coroutine", "async_generator"), "send the function, and call it there"),
    **dict.fromkeys(("frame", "traceback"), "send it as text, from the traceback module"),
    **dict.fromkeys(("Connection", "SSLSocket"), "open the connection on the other side"),
    **dict.fromkeys(("Thread", "Popen"), "start it on the other side"),
    **dict.fromkeys(("function", "type"), "define it at the top level of a module"),
    "memoryview": "send bytes(view), or what it is a view of",
    "module": "import the module where it is used",
    "ReferenceType": "send the object it refers to",
}
_REMEDY = "make it on the other side, or leave it out with __getstate__"

# The parts of these modules' objects are not looked at: the remedy concerns the whole object.
_OPAQUE_MODULES = ("threading", "queue", "_queue", "subprocess")


def explained(
    refusal: Exception, parts: Mapping[str, Any], dumps: Callable[[Any], Any]
) -> Exception:
    """Return an error like *refusal* that also says which part cannot be sent, and a remedy.

    Args:
        refusal: one of `REFUSALS`, raised by *dumps* for something that has all of *parts*.
        parts: what may be the trouble, by the names under which the program knows it.
    Returns:
        *refusal* itself if *dumps* takes each of *parts* alone.
    """
    for name, part in parts.items():
        if not _works(dumps, part):
            kind = next(kind for kind in REFUSALS if isinstance(refusal, kind))
            why = explanation(name, part, dumps)
            return kind(f"{refusal}; {why}" if str(refusal) else why)
    return refusal


def explanation(name: str, obj: Any, dumps: Callable[[Any], Any]) -> str:
    """Return where in *obj*, called *name*, the part is that *dumps* refuses, and a remedy."""
    try:
        path, culprit = find_culprit(name, obj, dumps)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - the objects' own methods: the whole is told of instead
        path, culprit = name, obj
    kind = type(culprit).__name__
    remedy = _REMEDIES.get(kind, _REMEDY)
    return f"{path} is {_article(kind)} {kind}, which cannot be sent: {remedy}"


def _article(kind: str) -> str:
    spelt = kind[:2].isupper() and kind[0] in "AEFHILMNORSX"
    return "an" if spelt or kind[0] in "AEIOUaeiou" else "a"


def find_culprit(name: str, obj: Any, dumps: Callable[[Any], Any]) -> tuple[str, Any]:
    """Return the path to, and the innermost part of *obj* that *dumps* refuses."""
    path, seen = name, set[int]()
    by_value = _works(dumps, lambda: None)  # else functions and classes are names, without parts
    kept = []  # some parts are made when they are asked for: their ids must not be used again
    for _ in range(_DEEPEST):
        seen.add(id(obj))
        kept.append(obj)
        for label, part in _parts(obj, by_value):
            if id(part) not in seen and not _works(dumps, part):
                path, obj = path + label, part
                break
        else:
            break
    return path, obj


def _works(dumps: Callable[[Any], Any], obj: Any) -> bool:
    try:
        dumps(obj)
    except KeyboardInterrupt:
        raise
    except BaseException:  # noqa: BLE001 - whatever it raises is the answer
        return False
    return True


def _parts(obj: Any, by_value: bool) -> _Parts:
    """Yield the parts of *obj*, each after the text to be appended to the name of *obj*."""
    if type(obj).__module__ in _OPAQUE_MODULES:
        return
    if isinstance(obj, type | FunctionType) and not by_value:
        return
    if isinstance(obj, dict):
        yield from ((f"[{key!r}]", value) for key, value in _some(obj.items()))
        yield from ((f".keys()[{i}]", key) for i, key in enumerate(_some(obj)))
    elif isinstance(obj, list | tuple | deque):
        yield from ((f"[{i}]", value) for i, value in enumerate(_some(obj)))
    elif isinstance(obj, set | frozenset):
        yield from ((f"{{{i}}}", value) for i, value in enumerate(_some(obj)))
    if isinstance(obj, type):
        yield from _class_parts(obj)
    else:
        yield from _callable_parts(obj)
        yield from _attributes(obj)
        if type(obj).__flags__ & _MADE_BY_PYTHON_CODE:
            yield ".__class__", type(obj)
        yield from _reduced_parts(obj)


def _class_parts(obj: type) -> _Parts:
    """Yield what is pickled with a class that is sent by value."""
    for name, value in _some(vars(obj).items()):
        if name not in ("__dict__", "__weakref__"):
            yield f".{name}", value


def _callable_parts(obj: Any) -> _Parts:
    """Yield what is pickled with a bound method, a partial or a function."""
    if getattr(obj, "__func__", None) is not None:
        yield ".__self__", obj.__self__
        yield ".__func__", obj.__func__
    for name in ("func", "args", "keywords"):
        if type(obj).__name__ == "partial":
            yield f".{name}", getattr(obj, name)
    if isinstance(obj, FunctionType):
        yield from _function_parts(obj)


def _function_parts(function: Any) -> _Parts:
    code = function.__code__
    for name, cell in zip(code.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield f".<variable {name}>", cell.cell_contents
        except ValueError:  # an empty cell
            continue
    defaults = function.__defaults__ or ()
    names = code.co_varnames[: code.co_argcount][code.co_argcount - len(defaults) :]
    yield from ((f".<default {name}>", value) for name, value in zip(names, defaults, strict=True))
    for name, value in (function.__kwdefaults__ or {}).items():
        yield f".<default {name}>", value
    yield from ((f".{name}", value) for name, value in vars(function).items())
    for name in _names_used(code):
        if name in function.__globals__:
            yield f".<global {name}>", function.__globals__[name]


def _names_used(code: CodeType) -> Iterator[str]:
    """Yield the global names in *code* and in the functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, type(code)):
            yield from _names_used(constant)


def _attributes(obj: Any) -> _Parts:
    """Yield the attributes that are pickled: those of the object's state, or of its dictionary."""
    if isinstance(obj, BaseException):
        yield ".args", obj.args
    try:
        state = obj.__getstate__()
    except Exception:  # noqa: BLE001 - then the object itself is the cause
        return
    for states in state if isinstance(state, tuple) else (state,):
        if isinstance(states, dict):
            yield from ((f".{name}", value) for name, value in _some(states.items()))


def _reduced_parts(obj: Any) -> _Parts:
    """Yield the arguments from which pickle would rebuild the object."""
    try:
        reduced = obj.__reduce_ex__(4)
    except Exception:  # noqa: BLE001 - then the object itself is the cause
        return
    if isinstance(reduced, tuple) and len(reduced) >= 2 and isinstance(reduced[1], tuple):
        for i, value in enumerate(reduced[1]):
            yield f".__reduce__()[1][{i}]", value


def _some(items: Any) -> Iterator[Any]:
    """Yield so many of *items* at most that the search ends soon."""
    for _, item in zip(range(_WIDEST), items, strict=False):
        yield item
