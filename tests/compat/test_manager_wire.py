"""Managers and the standard package's, over TCP and Unix sockets, each as server and as client.

The other side is a program of the interpreter that runs the tests. It imports `multiprocessing`
and nothing of this package: not even the name of this package may reach it.
"""

import os
import queue
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import procession
from procession.managers import BaseManager, RemoteError, SyncManager
from tests.support import Program, start_python

pytestmark = pytest.mark.usefixtures("tracker")

AUTHKEY = b"known to both"

# With it, a message that names this package fails where it arrives.
NOT_OURS = """
    import sys
    class NotOurs:
        def find_spec(self, name, path=None, target=None):
            if name.partition(".")[0] == "procession":
                raise ImportError(f"the other side needs {name}")
    sys.meta_path.insert(0, NotOurs())
"""

STANDARD_SERVER = """
    import multiprocessing, queue, threading
    from multiprocessing.managers import SyncManager
    class Thing:
        def __init__(self): self.x = 1
        def fail(self): raise LookupError("inside")
        def secret(self): return threading.Lock()
        def inner(self): return [1, 2]
    tasks = queue.Queue()
    class Manager(SyncManager): pass
    Manager.register("tasks", lambda: tasks)
    Manager.register("Thing", Thing, method_to_typeid={"inner": "list"})
    if __name__ == "__main__":
        address = eval(sys.argv[1])
        multiprocessing.current_process().authkey = b"known to both"  # for a condition's lock
        server = Manager(address, b"known to both").get_server()
        print(repr(server.address), flush=True)
        server.serve_forever()
"""

# Uses a manager as programs do: as the standard package's client, and as ours for comparison.
CLIENT = """
    import queue
    from {package}.managers import SyncManager, RemoteError
    from {package} import TimeoutError, current_process
    class Manager(SyncManager): pass
    Manager.register("tasks")
    Manager.register("Thing", method_to_typeid={{"inner": "list"}})

    def use(manager):
        # Without it the standard package does not know the key for a proxy inside of another.
        current_process().authkey = b"known to both"
        inner = manager.list([1])
        outer = manager.dict(inner=inner)
        del inner
        outer["inner"].append(2)
        assert outer["inner"][:] == [1, 2], str(outer)
        assert sorted(outer.keys()) == ["inner"]
        assert list(manager.dict(a=1)) == ["a"]
        namespace = manager.Namespace(x=1)
        namespace.y = 2
        assert (namespace.x, namespace.y) == (1, 2)
        assert namespace._getvalue().y == 2
        value = manager.Value("i", 5)
        value.value += 1
        assert value.value == 6
        lock = manager.RLock()
        with lock, lock:
            pass
        assert manager.Semaphore(1).acquire()
        condition = manager.Condition(manager.Lock())
        with condition:
            assert not condition.wait(0.01)
        event = manager.Event()
        event.set()
        assert event.wait(1)
        assert manager.Barrier(1).wait() == 0
        assert manager.Array("i", [1, 2])[1] == 2
        tasks = manager.tasks()
        tasks.put({{"task": 1}})
        assert tasks.get() == {{"task": 1}}
        for call, kind in [
            (tasks.get_nowait, queue.Empty),
            (lambda: outer["no"], KeyError),
            (manager.Thing().fail, LookupError),
            (manager.Thing().secret, RemoteError),
            (lambda: outer._callmethod("nothing"), RemoteError),
        ]:
            try:
                call()
            except kind:
                pass
            else:
                raise AssertionError(kind)
        assert manager.Thing().inner()[1] == 2
        with manager.Pool(1) as pool:
            assert pool.map(abs, [-1, 2]) == [1, 2]
            later = pool.apply_async(len, ("abc",))
            assert later.get() == 3
            assert list(pool.imap(abs, [-1])) == [1]
            slow = pool.apply_async(__import__("time").sleep, (5,))
            try:
                slow.get(0.01)
            except TimeoutError:
                pass
            else:
                raise AssertionError("no TimeoutError")
        return "used"
"""

ADDRESSES = ["('127.0.0.1', 0)", "abstract", "path"]


class Thing:
    """A class that a server of ours has registered."""

    def fail(self) -> None:
        raise LookupError("inside")

    def secret(self) -> Any:
        return (lambda: None).__closure__ or __import__("threading").Lock()

    def inner(self) -> list[int]:
        return [1, 2]


_tasks: "queue.Queue[Any]" = queue.Queue()


def tasks() -> Any:
    return _tasks


class Manager(SyncManager):
    """The manager class of our server."""


Manager.register("tasks", tasks)
Manager.register("Thing", Thing, method_to_typeid={"inner": "list"})


def script(*parts: str) -> str:
    return "\n".join(textwrap.dedent(part) for part in parts)


@pytest.fixture(params=ADDRESSES)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    """An address of each family."""
    if request.param == "abstract":
        return f"\0procession-test-{os.getpid()}-{os.urandom(4).hex()}"
    return str(tmp_path / "socket") if request.param == "path" else eval(request.param)


@pytest.fixture
def standard_server(address: Any) -> Iterator[Any]:
    """The address of a server of the standard package."""
    with start_python(script(NOT_OURS, STANDARD_SERVER), repr(address)) as program:
        yield eval(program.read_line() or program.finish().stderr)


@pytest.fixture
def our_manager(address: Any) -> Iterator[Any]:
    """A manager of ours, started."""
    with Manager(address, AUTHKEY) as manager:
        process = manager._process
        yield manager
    assert process is not None
    process.close()


def run_client(package: str, address: Any, prelude: str = "") -> str:
    """Return the output of a client of *package* that has used the manager at *address*."""
    code = script(
        prelude,
        CLIENT.format(package=package),
        f"""
        if __name__ == "__main__":
            manager = Manager({address!r}, {AUTHKEY!r})
            manager.connect()
            print(use(manager))
        """,
    )
    with start_python(code) as program:
        outcome = program.finish()
    assert outcome.exitcode == 0, outcome.stderr
    return outcome.stdout.strip()


def test_a_standard_client_uses_our_manager(our_manager: Any) -> None:
    """It uses all types of a `SyncManager`; afterwards the manager has none of its objects."""
    assert run_client("multiprocessing", our_manager.address, NOT_OURS) == "used"
    assert our_manager._number_of_objects() == 0


@pytest.mark.orphans
def test_our_client_uses_a_standard_manager(standard_server: Any) -> None:
    """The program is the same, with one name changed."""
    assert run_client("procession", standard_server) == "used"


def test_our_client_uses_our_manager(our_manager: Any) -> None:
    """The program is the same: for comparison."""
    assert run_client("procession", our_manager.address) == "used"


def connected(address: Any) -> Any:
    class Remote(SyncManager):
        """The manager class of a client."""

    Remote.register("tasks")
    manager = Remote(address, AUTHKEY)
    manager.connect()
    return manager


def test_referents_of_a_standard_manager_are_counted(standard_server: Any) -> None:
    """An object ends there when its last proxy ends here, not earlier."""
    manager = connected(standard_server)
    before = manager._number_of_objects()
    one, other = manager.list(), manager.dict()
    during = manager._number_of_objects()
    one.append(1)
    del one, other

    assert (before, during, manager._number_of_objects()) == (0, 2, 0)


def test_children_use_a_standard_manager(standard_server: Any, ctx: Any) -> None:
    """Proxies are arguments of children of each start method."""
    manager = connected(standard_server)
    shared = manager.list()
    process = ctx.Process(target=shared.append, args=("from a child",))
    process.start()
    process.join(30)
    process.close()

    assert shared[:] == ["from a child"]


def test_a_standard_server_refuses_our_wrong_key(standard_server: Any) -> None:
    with pytest.raises(procession.AuthenticationError):
        SyncManager(standard_server, b"wrong").connect()


def test_our_server_refuses_a_standard_client_with_a_wrong_key(our_manager: Any) -> None:
    code = f"""
        from multiprocessing import AuthenticationError
        from multiprocessing.managers import SyncManager
        try:
            SyncManager({our_manager.address!r}, b"wrong").connect()
        except AuthenticationError:
            print("refused")
    """
    with start_python(code) as program:
        assert program.finish().stdout == "refused\n"


def test_errors_of_a_standard_manager_show_its_traceback(standard_server: Any) -> None:
    manager = connected(standard_server)

    with pytest.raises(RemoteError, match=r"(?s)Traceback.*not in exposed"):
        manager.list()._callmethod("fly")


def test_a_standard_client_gives_back_its_references_itself(our_manager: Any) -> None:
    """It sends no hello, so the manager does not know which references are its own."""
    code = script(
        NOT_OURS,
        f"""
        from multiprocessing.managers import SyncManager
        manager = SyncManager({our_manager.address!r}, {AUTHKEY!r})
        manager.connect()
        kept = manager.list([1])
        print("ready", flush=True)
        sys.stdin.readline()
        """,
    )
    with start_python(code) as program:
        wait_for(program)
        during = our_manager._number_of_objects()
        program.finish("\n")

    assert during == 1
    assert our_manager._number_of_objects() == 0


def wait_for(program: Program) -> None:
    assert program.read_line() == "ready", program.finish().stderr


def test_a_remote_manager_of_base_types() -> None:
    """The example of the documentation: a queue that lives in the server."""

    class QueueManager(BaseManager):
        """The manager class of the server."""

    QueueManager.register("get_queue", tasks)
    with QueueManager(("127.0.0.1", 0), AUTHKEY) as manager:
        code = script(
            NOT_OURS,
            f"""
            from multiprocessing.managers import BaseManager
            class QueueManager(BaseManager): pass
            QueueManager.register("get_queue")
            manager = QueueManager({manager.address!r}, {AUTHKEY!r})
            manager.connect()
            manager.get_queue().put("hello")
            """,
        )
        with start_python(code) as program:
            outcome = program.finish()
        assert outcome.exitcode == 0, outcome.stderr

        assert manager.get_queue().get() == "hello"  # type: ignore[attr-defined]
