"""The error for what cannot be sent names the place of the culprit, its kind and a remedy."""

import collections
import contextvars
import dataclasses
import functools
import io
import pickle
import queue
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import procession
from procession._pickling import diagnose

FRESH = pytest.mark.parametrize("method", ["spawn", "forkserver"])


@dataclasses.dataclass
class Data:
    lock: Any
    number: int = 1


@dataclasses.dataclass(slots=True)
class SlottedData:
    lock: Any
    number: int = 1


class Slotted:
    __slots__ = ("__dict__", "lock", "other")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.other = 1


class Stateful:
    def __init__(self) -> None:
        self.hidden = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"shown": [self.hidden]}


class Given:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def __reduce__(self) -> Any:
        return Data, (1, [threading.Lock()])

    def __getstate__(self) -> None:
        return None


class Db:
    def __init__(self) -> None:
        self.lock = threading.Lock()

    def query(self) -> None:
        """Do nothing."""


class List(list[Any]):
    """A list of another name."""


Pair = collections.namedtuple("Pair", "left right")
GLOBAL = {"lock": threading.Lock()}


def with_variable() -> Callable[[], Any]:
    db = {"db": Db()}
    return lambda: db


def with_default() -> Callable[..., Any]:
    return lambda x, lock=GLOBAL["lock"], *, key=1: (x, lock, key)


def with_keyword_default() -> Callable[..., Any]:
    return lambda *, key=GLOBAL["lock"]: key


def with_attribute() -> Callable[..., Any]:
    def function() -> None:
        """Do nothing."""

    function.lock = threading.Lock()  # type: ignore[attr-defined]
    return function


def with_inner_function() -> Callable[..., Any]:
    lock = threading.Lock()
    return lambda: lambda: lock


def local_class() -> type:
    class Local:
        lock = threading.Lock()

    return Local


def endless() -> list[Any]:
    cycle: list[Any] = []
    cycle += [cycle, threading.Lock()]
    return cycle


def generator() -> Iterator[int]:
    yield 1


LOCK = "a lock, which cannot be sent: use the Lock of a procession context"


SHAPES: list[tuple[Callable[[], Any], str]] = [
    (threading.Lock, f"obj is {LOCK}"),
    (threading.RLock, "obj is an RLock, which cannot be sent: use the RLock of a procession"),
    (threading.Condition, "obj is a Condition, which cannot be sent: use the Condition of a"),
    (threading.Event, "obj is an Event, which cannot be sent: use the Event of a procession"),
    (threading.Thread, "obj is a Thread, which cannot be sent: start it on the other side"),
    (queue.Queue, "obj is a Queue, which cannot be sent: use the Queue of a procession"),
    (lambda: {"a": [1, (2, {"b": threading.Lock()})]}, f"obj['a'][1][1]['b'] is {LOCK}"),
    (lambda: {(1, "k"): threading.Lock()}, f"obj[(1, 'k')] is {LOCK}"),
    (lambda: {threading.Lock(): 1}, f"obj.keys()[0] is {LOCK}"),
    (lambda: collections.OrderedDict(a=threading.Lock()), f"obj['a'] is {LOCK}"),
    (lambda: collections.defaultdict(int, a=threading.Lock()), f"obj['a'] is {LOCK}"),
    (lambda: collections.deque([1, threading.Lock()]), f"obj[1] is {LOCK}"),
    (lambda: Pair(1, threading.Lock()), f"obj[1] is {LOCK}"),
    (lambda: List([threading.Lock()]), f"obj[0] is {LOCK}"),
    (lambda: {threading.Lock()}, f"obj{{0}} is {LOCK}"),
    (lambda: Data(threading.Lock()), f"obj.lock is {LOCK}"),
    (lambda: SlottedData(threading.Lock()), f"obj.lock is {LOCK}"),
    (Slotted, f"obj.lock is {LOCK}"),
    (Stateful, f"obj.shown[0] is {LOCK}"),
    (Given, f"obj.__reduce__()[1][1][0] is {LOCK}"),
    (lambda: types.SimpleNamespace(db=Db()), f"obj.db.lock is {LOCK}"),
    (lambda: Db().query, f"obj.__self__.lock is {LOCK}"),
    (lambda: functools.partial(print, x=Db()), f"obj.keywords['x'].lock is {LOCK}"),
    (lambda: functools.partial(print, Db()), f"obj.args[0].lock is {LOCK}"),
    (lambda: ValueError("a", Db()), f"obj.args[1].lock is {LOCK}"),
    (with_variable, f"obj.<variable db>['db'].lock is {LOCK}"),
    (with_default, f"obj.<default lock> is {LOCK}"),
    (with_keyword_default, f"obj.<default key> is {LOCK}"),
    (with_attribute, f"obj.lock is {LOCK}"),
    (with_inner_function, f"obj.<variable lock> is {LOCK}"),
    (local_class, f"obj.lock is {LOCK}"),
    (lambda: local_class()(), f"obj.__class__.lock is {LOCK}"),
    (endless, f"obj[1] is {LOCK}"),
    (generator, "obj is a generator, which cannot be sent: send what it is made from"),
    (lambda: contextvars.ContextVar("x"), "obj is a ContextVar, which cannot be sent: make it on"),
    (lambda: memoryview(b"x"), "obj is a memoryview, which cannot be sent: send bytes(view)"),
    (lambda: io.BytesIO().getbuffer(), "obj is a memoryview"),
]


@pytest.mark.parametrize(("make", "words"), SHAPES)
def test_the_place_of_the_culprit_is_named(make: Callable[[], Any], words: str) -> None:
    """The pickler here is the one that pickles the arguments of children."""
    from procession._pickling import by_value

    assert words in diagnose.explanation("obj", make(), by_value.dumps)


@pytest.mark.bare
def test_a_global_variable_of_a_function_is_named() -> None:
    """The function goes by value."""

    def function() -> Any:
        return [GLOBAL for _ in ()]

    def refuse(obj: Any) -> None:
        if obj in (GLOBAL, function) or obj is GLOBAL["lock"]:
            raise TypeError

    place, culprit = diagnose.find_culprit("f", function, refuse)

    assert (place, culprit) == ("f.<global GLOBAL>['lock']", GLOBAL["lock"])


@pytest.mark.bare
def test_a_search_ends_in_very_deep_objects() -> None:
    deep: list[Any] = [threading.Lock()]
    for _ in range(300):
        deep = [deep]

    place, _ = diagnose.find_culprit("obj", deep, pickle.dumps)

    assert place == "obj" + "[0]" * 100


@FRESH
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"target": print, "args": [{"db": Db()}]}, r"args\[0\]\['db'\].lock is a lock"),
        ({"target": print, "kwargs": {"file": [Db()]}}, r"kwargs\['file'\]\[0\].lock is a lock"),
        ({"target": Db().query}, "target.__self__.lock is a lock"),
        ({"target": with_variable()}, r"target.<variable db>\['db'\].lock is a lock"),
    ],
)
def test_a_start_names_what_cannot_be_sent(method: str, arguments: Any, words: str) -> None:
    """The start leaves nothing of the process."""
    process = procession.get_context(method).Process(**arguments)

    with pytest.raises((TypeError, AttributeError), match=words):
        process.start()

    assert process.exitcode is None
    assert process not in procession.active_children()


@FRESH
def test_an_attribute_of_a_subclass_is_named(method: str) -> None:
    """The name is the one that the program uses."""
    process = procession.get_context(method).Process(target=print)
    process.resource = open(__file__)  # type: ignore[attr-defined] # noqa: SIM115
    with (
        process.resource,  # type: ignore[attr-defined]
        pytest.raises(TypeError, match=r"self\.resource is a TextIOWrapper.*open it on the other"),
    ):
        process.start()


def test_what_cannot_go_through_a_queue_is_named_although_something_else_goes_by_value(
    ctx: Any,
) -> None:
    """The lambda is not the culprit."""
    box = ctx.Queue()

    with pytest.raises((TypeError, AttributeError), match=r"obj\[1\]\.lock is a lock"):
        box.put([lambda: 1, Db()])

    assert box.empty()
