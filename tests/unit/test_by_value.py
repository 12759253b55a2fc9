"""What pickle refuses goes by value: functions, classes and their objects."""

import functools
import socket
from typing import Any

import pytest

import procession
from tests.support import programs_process as programs
from tests.support import run_python

FRESH = pytest.mark.parametrize("method", ["spawn", "forkserver"])
TIMEOUT = 30.0


def given(obj: Any) -> Any:
    """Return what an argument was made to."""
    return obj() if callable(obj) else obj


def test_functions_and_classes_of_all_kinds_go(ctx: Any) -> None:
    """These are closures, lambdas, local classes and their objects, recursive functions."""

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
        process = ctx.Process(target=given, args=(obj,), returns=True)
        process.start()
        assert process.result(TIMEOUT) == result


def test_importable_things_go_by_name(ctx: Any) -> None:
    """They are the child's own, and come back as the parent's."""
    things = [programs.Told, programs.give, len]
    process = ctx.Process(target=programs.give, args=(things,), returns=True)
    process.start()

    assert process.result(TIMEOUT) == things


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
    """Their code is that of the file they are in, so a traceback can show its lines."""
    for method in (Methods.of_class, Methods.of_nothing, Methods().of_object):
        arguments = method, (lambda: 1) if by_value else None
        process = ctx.Process(target=first_of, args=arguments, returns=True)
        process.start()
        assert process.result(TIMEOUT) == __file__
    process = ctx.Process(target=first_of, args=(Methods().private(), lambda: 1), returns=True)
    process.start()
    assert process.result(TIMEOUT) == "private"


def first_of(function: Any, _: Any) -> Any:
    return function()


def test_a_local_class_that_comes_back_is_the_same(ctx: Any) -> None:
    """The child changes its own copy, which does not change the parent's class."""

    class Local:
        changed = False

    def change(thing: Any) -> Any:
        type(thing).changed = True
        return thing

    process = ctx.Process(target=change, args=(Local(),), returns=True)
    process.start()
    thing = process.result(TIMEOUT)

    assert type(thing) is Local or ctx.get_start_method() == "fork"  # where nothing was sent there
    assert Local.changed is False


@FRESH
def test_sockets_and_connections_go_along(method: str) -> None:
    """They are sent in what goes by value, too."""
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
    """It goes to a child and back; a lock in it still arrives."""
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
def test_objects_of_a_prompts_classes_are_sent_in_messages(method: str) -> None:
    """They go through queues, and are arguments and results of tasks."""
    import sys
    from pathlib import Path

    from tests.support.commands import run_command

    outcome = run_command([sys.executable, "-c", PROMPT, method], Path.cwd())

    assert (outcome.stdout, outcome.stderr) == ("42 True ['mine']\n84 42\n", "")


@FRESH
def test_without_cloudpickle_the_error_is_plain_pickles(method: str) -> None:
    """An interpreter without site folders has no cloudpickle."""
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
