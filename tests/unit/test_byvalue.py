"""What pickle refuses goes by value; what cannot go at all is named, with its place."""

import collections
import contextvars
import dataclasses
import functools
import io
import pickle
import queue
import socket
import threading
import types
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import procession
from procession._pickling import diagnose
from tests.support import programs_process as programs
from tests.support import run_python

FRESH = pytest.mark.parametrize("method", ["spawn", "forkserver"])
TIMEOUT = 30.0


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
def test_the_place_of_the_trouble_is_named(make: Callable[[], Any], words: str) -> None:
    """By the pickler that children are sent with."""
    from procession._pickling import by_value

    assert words in diagnose.explanation("obj", make(), by_value.dumps)


@pytest.mark.bare
def test_a_global_variable_of_a_function_is_named() -> None:
    """Where the function goes by value."""

    def function() -> Any:
        return [GLOBAL for _ in ()]

    def refuse(obj: Any) -> None:
        if obj in (GLOBAL, function) or obj is GLOBAL["lock"]:
            raise TypeError

    place, culprit = diagnose.find("f", function, refuse)

    assert (place, culprit) == ("f.<global GLOBAL>['lock']", GLOBAL["lock"])


@pytest.mark.bare
def test_a_search_ends_in_very_deep_objects() -> None:
    deep: list[Any] = [threading.Lock()]
    for _ in range(300):
        deep = [deep]

    place, _ = diagnose.find("obj", deep, pickle.dumps)

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
    """And leaves nothing of the process."""
    process = procession.get_context(method).Process(**arguments)

    with pytest.raises((TypeError, AttributeError), match=words):
        process.start()

    assert process.exitcode is None
    assert process not in procession.active_children()


@FRESH
def test_an_attribute_of_a_subclass_is_named(method: str) -> None:
    """As the program knows it."""
    process = procession.get_context(method).Process(target=print)
    process.resource = open(__file__)  # type: ignore[attr-defined] # noqa: SIM115
    with (
        process.resource,  # type: ignore[attr-defined]
        pytest.raises(TypeError, match=r"self\.resource is a TextIOWrapper.*open it on the other"),
    ):
        process.start()


# ------------------------------------------------------------------------------- what does go


def given(obj: Any) -> Any:
    """Return what an argument was made to."""
    return obj() if callable(obj) else obj


def test_functions_and_classes_of_all_kinds_go(ctx: Any) -> None:
    """Closures, lambdas, local classes and their objects, recursive functions."""

    class Local:
        kind = "local"

        def __init__(self, value: int):
            self.value = value

        def double(self) -> int:
            return 2 * self.value

    def factorial(n: int) -> int:
        return 1 if n < 2 else n * factorial(n - 1)

    for obj, result in (
        (lambda: 40 + 2, 42),
        (Local(21).double, 42),
        (functools.partial(factorial, 5), 120),
        (lambda: Local.kind, "local"),
    ):
        process = ctx.Process(target=given, args=(obj,))
        process.start()
        assert process.result(TIMEOUT) == result


def test_importable_things_go_by_name(ctx: Any) -> None:
    """They are the child's own, and come back as the parent's."""
    process = ctx.Process(target=programs.give, args=([programs.Told, programs.give, len],))
    process.start()

    assert process.result(TIMEOUT) == [programs.Told, programs.give, len]


class Methods:
    """Methods of three kinds."""

    @classmethod
    def of_class(cls) -> str:
        """Where the code is."""
        return cls.of_class.__func__.__code__.co_filename

    @staticmethod
    def of_nothing() -> str:
        """Where the code is."""
        return Methods.of_nothing.__code__.co_filename

    def of_object(self) -> str:
        """Where the code is."""
        return type(self).of_object.__code__.co_filename

    def __private(self) -> str:
        return "private"

    def private(self) -> Any:
        """A method that no one else can name."""
        return self.__private


@pytest.mark.parametrize("by_value", [False, True])
def test_methods_go_by_name_even_beside_what_goes_by_value(ctx: Any, by_value: bool) -> None:
    """As code of the file that they are in, whose lines a traceback can show."""
    for method in (Methods.of_class, Methods.of_nothing, Methods().of_object):
        process = ctx.Process(target=first_of, args=(method, (lambda: 1) if by_value else None))
        process.start()
        assert process.result(TIMEOUT) == __file__
    process = ctx.Process(target=first_of, args=(Methods().private(), lambda: 1))
    process.start()
    assert process.result(TIMEOUT) == "private"


def first_of(function: Any, _: Any) -> Any:
    return function()


def test_a_local_class_that_comes_back_is_the_same(ctx: Any) -> None:
    """And what the child did to its own copy is not done to it."""

    class Local:
        changed = False

    def change(thing: Any) -> Any:
        type(thing).changed = True
        return thing

    process = ctx.Process(target=change, args=(Local(),))
    process.start()
    thing = process.result(TIMEOUT)

    assert type(thing) is Local or ctx.get_start_method() == "fork"  # where nothing was sent there
    assert Local.changed is False


@FRESH
def test_sockets_and_connections_go_along(method: str) -> None:
    """By value or not."""
    here, there = socket.socketpair()
    ours, its = procession.Pipe()

    def answer() -> None:
        its.send(there.recv(10))

    with here, there, ours, its:
        process = procession.get_context(method).Process(target=answer)
        process.start()
        here.send(b"question")
        assert ours.recv() == b"question"
        process.join()


def test_what_pickle_refuses_goes_through_queues(ctx: Any) -> None:
    """To a child and back; a handle in it still arrives."""
    there, back = ctx.Queue(), ctx.Queue()
    process = ctx.Process(target=call_and_put, args=(there, back))
    process.start()
    lock = ctx.Lock()
    offset = 40

    there.put(lambda: (offset + 2, lock))

    number, its_lock = back.get(timeout=TIMEOUT)
    process.join()
    assert number == 42
    with its_lock:
        assert not lock.acquire(block=False)


def call_and_put(there: Any, back: Any) -> None:
    back.put(there.get()())


def test_what_cannot_go_through_a_queue_is_named_although_something_else_goes_by_value(
    ctx: Any,
) -> None:
    """The lambda is not the trouble."""
    box = ctx.Queue()

    with pytest.raises((TypeError, AttributeError), match=r"obj\[1\]\.lock is a lock"):
        box.put([lambda: 1, Db()])

    assert box.empty()


PROMPT = """
import procession, sys

class Thing:
    registry = ["mine"]
    def __init__(self, value): self.value = value
    def doubled(self): return Thing(self.value * 2)

def consume(there, back):
    for thing in iter(there.get, None):
        Thing.registry.append("child")
        back.put(thing.doubled())

context = procession.get_context(sys.argv[1])
there, back = context.Queue(), context.Queue()
process = context.Process(target=consume, args=(there, back), daemon=True)
process.start()
there.put(Thing(21))
thing = back.get(timeout=30)
print(thing.value, type(thing) is Thing, Thing.registry)
there.put(None)
process.join()
with context.Pool(1) as pool:
    print(pool.map(Thing.doubled, [thing])[0].value, pool.apply(lambda t: t.value, (thing,)))
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_objects_of_a_prompts_classes_travel_in_messages(method: str) -> None:
    """Through queues and as arguments and results of tasks."""
    import sys
    from pathlib import Path

    from tests.support.commands import run_command

    outcome = run_command([sys.executable, "-c", PROMPT, method], Path.cwd())

    assert (outcome.stdout, outcome.stderr) == ("42 True ['mine']\n84 42\n", "")


@FRESH
def test_without_cloudpickle_the_error_is_plain_pickles(method: str) -> None:
    """An interpreter without site folders lacks it."""
    outcome = run_python(
        """
        import sys
        sys.modules["cloudpickle"] = None
        import procession
        if __name__ == "__main__":
            process = procession.get_context(sys.argv[1]).Process(target=lambda: 1)
            try:
                process.start()
            except Exception as error:
                print(type(error).__name__, error)
        """,
        method,
    )

    assert "Can't pickle" in outcome.stdout
    assert (
        "target is a function, which cannot be sent: define it at the top level" in outcome.stdout
    )
