"""The types of managers: what their proxies do, which methods they have, what errors arrive."""

import copy
import pickle
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from procession.managers import BaseManager, BaseProxy, RemoteError, SyncManager
from tests.support.managers import run_child, running


def fill(shared: Any, others: Any, tasks: Any) -> None:
    shared["others"] = others
    others.append("of the child")
    tasks.put(others)


def test_children_share_what_a_manager_has(ctx: Any, manager: Any) -> None:
    """Proxies are arguments, items and results; a change deep inside is seen by all."""
    shared, others, tasks = manager.dict(), manager.list([1]), manager.Queue()

    assert run_child(ctx, fill, shared, others, tasks) == 0

    shared["others"][0] = 2
    assert others[:] == [2, "of the child"]
    assert tasks.get().pop() == "of the child"
    assert str(shared).startswith("{'others': <ListProxy object, typeid 'list' at 0x")


def test_every_type_of_the_newest_standard_package(forked_manager: Any) -> None:
    """Each type has the methods of the standard proxy."""
    array = forked_manager.Array("i", [1, 2, 3])
    array[1] = 5
    value = forked_manager.Value("d", 1.5)
    value.value = 2.5
    namespace = forked_manager.Namespace(x=1)
    del namespace.x
    numbers = forked_manager.set({1})
    numbers |= {2}
    numbers -= {1}
    letters = forked_manager.list("ab")
    letters *= 2
    letters += "c"
    named = forked_manager.dict(a=1)
    named |= {"b": 2}

    assert (array[1], len(array), value.value) == (5, 3, 2.5)
    assert not hasattr(namespace, "x")
    assert (set(numbers), 2 in numbers, numbers | {3}) == ({2}, True, {2, 3})
    assert (letters.copy(), letters.count("a")) == (list("ababc"), 2)
    assert (list(named.items()), {"c": 3} | named) == (
        [("a", 1), ("b", 2)],
        {"c": 3, "a": 1, "b": 2},
    )
    assert list(reversed(named)) == ["b", "a"]
    letters.clear()
    assert len(letters) == 0


def test_a_proxy_is_not_its_copy(forked_manager: Any) -> None:
    """``copy.copy`` is another proxy, ``copy.deepcopy`` and ``_getvalue`` are values."""
    shared = forked_manager.list([[1]])
    proxy, value = copy.copy(shared), copy.deepcopy(shared)
    proxy.append(2)

    assert isinstance(proxy, BaseProxy)
    assert value == [[1]]
    assert shared._getvalue() == [[1], 2]
    assert repr(shared) != str(shared) == "[[1], 2]"


class Machine:
    """A class that a program registers."""

    def __init__(self, speed: int = 1):
        self.speed = speed

    def run(self) -> int:
        return self.speed

    def parts(self) -> list[str]:
        return ["wheel"]

    def _oil(self) -> str:
        return "oiled"

    def fail(self) -> None:
        raise ZeroDivisionError("in the machine")

    def fail_unpickled(self) -> None:
        raise NotUnpickled(1, 2)

    def unsendable(self) -> Any:
        return threading.Lock()


class NotUnpickled(Exception):
    """An error that can be pickled, but not unpickled."""

    def __init__(self, one: int, two: int):
        super().__init__(f"{one}, {two}")


class OwnManager(BaseManager):
    """A manager class of a program."""


OwnManager.register("Machine", Machine, method_to_typeid={"parts": "Parts"})
OwnManager.register("Oiled", Machine, exposed=("run", "_oil"))
OwnManager.register("Parts", create_method=False)


@pytest.fixture
def own() -> Iterator[Any]:
    made: Any = OwnManager()
    made.start()
    with running(made):
        yield made


def test_registered_types_have_the_methods_they_expose(own: Any) -> None:
    machine, oiled = own.Machine(speed=3), own.Oiled()

    assert machine.run() == 3
    assert not hasattr(machine, "_oil")
    assert oiled._oil() == "oiled"
    assert not hasattr(oiled, "parts")
    assert machine.parts().pop() == "wheel"
    with pytest.raises(RemoteError, match="not in exposed"):
        machine._callmethod("_oil")


def test_errors_arrive_with_the_managers_traceback(own: Any) -> None:
    """It is the exception itself, with the traceback as its cause; a text if it cannot be sent."""
    machine = own.Machine()

    with pytest.raises(ZeroDivisionError, match="in the machine") as caught:
        machine.fail()
    assert "def fail" in str(caught.value.__cause__) or "in fail" in str(caught.value.__cause__)
    with pytest.raises(RemoteError, match=r"(?s)in fail_unpickled.*NotUnpickled: 1, 2"):
        machine.fail_unpickled()
    with pytest.raises(RemoteError, match=r"(?s)Unserializable.*lock"):
        machine.unsendable()
    with pytest.raises((AttributeError, pickle.PicklingError)):
        machine._callmethod("run", (lambda: 0,))
    assert machine.run() == 1


class Keeper:
    """An object of the server that is given proxies there."""

    def __init__(self, shared: Any):
        self.shared = shared

    def add(self, item: Any) -> int:
        self.shared.append(item)
        return len(self.shared)

    def again(self) -> Any:
        return self.shared


class KeeperManager(SyncManager):
    """A manager class of a program."""


KeeperManager.register("Keeper", Keeper)


def test_a_proxy_in_its_managers_process_is_used_without_a_connection() -> None:
    """It works as in other processes, and keeps the referent alive."""
    made: Any = KeeperManager()
    made.start()
    with running(made):
        keeper = made.Keeper(made.list([1]))

        assert keeper.add(2) == 2
        assert keeper.again()[:] == [1, 2]
        assert made._number_of_objects() == 1
