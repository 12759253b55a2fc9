"""Whatever methods of a manager's objects raise or return, the manager and its clients go on."""

import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

import procession
from procession.managers import BaseManager, ManagerLostError, RemoteError, SyncManager
from tests.support import hostile_objects as hostile
from tests.support.managers import running

UNRAISABLE = "ignore::pytest.PytestUnraisableExceptionWarning"
pytestmark = pytest.mark.filterwarnings(UNRAISABLE)  # what `__del__` raises


class Service:
    """Methods that do what no method should."""

    def __init__(self, refuses: bool = False) -> None:
        if refuses:
            sys.exit("no service today")

    def up(self) -> int:
        return 1

    def leave(self, code: Any) -> None:
        sys.exit(code)

    def interrupt(self) -> None:
        raise KeyboardInterrupt

    def stop(self) -> None:
        raise hostile.Stop("all of it")

    def give(self, method: str, kind: str) -> Any:
        return hostile.make(method, kind)

    def fail(self, method: str, kind: str) -> None:
        hostile.raise_error(method, kind)

    def take(self, _: Any) -> int:
        return 1


class Manager(BaseManager):
    """Has such services."""


Manager.register("Service", Service)


def started(manager: Any) -> Any:
    manager.start()
    return manager


@pytest.fixture
def service(ctx: Any) -> Iterator[Any]:
    with running(started(Manager(ctx=ctx))) as manager:
        yield manager.Service()


def outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except BaseException as error:  # noqa: BLE001 - looked at by the test
        return error


def test_an_exit_in_a_method_is_an_error_of_the_caller(service: Any) -> None:
    """As text: a SystemExit would end the caller's program, too."""
    for code in (None, 0, 3, "a message"):
        with pytest.raises(RemoteError, match="SystemExit"):
            service.leave(code)
        assert service.up() == 1
    with pytest.raises(RemoteError, match="KeyboardInterrupt"):
        service.interrupt()
    with pytest.raises(hostile.Stop, match="all of it"):
        service.stop()
    assert service.up() == 1


def test_an_exit_in_a_constructor_is_an_error_of_the_caller(ctx: Any) -> None:
    with running(started(Manager(ctx=ctx))) as manager:
        with pytest.raises(RemoteError, match="no service today"):
            manager.Service(True)
        assert manager.Service().up() == 1


@pytest.mark.parametrize("way", ["give", "fail", "take"])
def test_no_object_costs_a_client_its_manager(service: Any, way: str) -> None:
    for method, kind in hostile.CASES:
        args = (hostile.make(method, kind),) if way == "take" else (method, kind)

        got = outcome(lambda a=args: getattr(service, way)(*a))

        assert not isinstance(got, ManagerLostError | EOFError), (method, kind)
        assert service.up() == 1, (method, kind)


def test_keys_and_values_that_raise_in_a_managers_dict(ctx: Any) -> None:
    with running(started(SyncManager(ctx=ctx))) as manager:
        shared = manager.dict()
        for method, kind in hostile.CASES:
            thing = hostile.make(method, kind)
            for call in (
                lambda t=thing: shared.__setitem__("value", t),
                lambda: str(shared),
                lambda: shared["value"],
                lambda t=thing: shared.__setitem__(t, 1),
                lambda t=thing: shared.get(t),
                lambda: manager._debug_info(),
            ):
                assert not isinstance(outcome(call), ManagerLostError | EOFError), (method, kind)
            shared.clear()
        shared["usual"] = 1
        assert shared.copy() == {"usual": 1}


def exit_at_start() -> None:
    sys.exit("not this time")


def test_an_exit_in_the_initializer_is_the_error_of_start(ctx: Any) -> None:
    manager = Manager(ctx=ctx)
    with pytest.raises(RemoteError, match="not this time"):
        manager.start(exit_at_start)
    assert procession.active_children() == []
