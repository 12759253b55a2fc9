"""The interface over threads: the same names, and what is different about threads."""

import threading
from queue import Queue
from typing import Any

import pytest

import procession.dummy
import procession.dummy.connection

pytestmark = pytest.mark.bare


def test_a_process_is_a_thread_of_this_process() -> None:
    """It sees the same objects, and its exit code says that it has ended."""
    seen: list[Any] = []

    process = procession.dummy.Process(target=seen.append, args=(threading.current_thread(),))
    before = process.exitcode
    process.start()
    process.join()

    assert seen == [threading.current_thread()]
    assert (before, process.exitcode) == (None, 0)


def test_active_children_are_those_of_this_thread() -> None:
    """Until they have ended."""
    go_on = procession.dummy.Event()
    process = procession.dummy.Process(target=go_on.wait)
    process.start()
    during = procession.dummy.active_children()
    go_on.set()
    process.join()

    assert during == [process]
    assert procession.dummy.active_children() == []


def test_only_the_maker_starts_a_process() -> None:
    """As with processes."""
    process = procession.dummy.Process(target=int)
    errors: list[BaseException] = []

    def start() -> None:
        try:
            process.start()
        except RuntimeError as error:
            errors.append(error)

    thread = threading.Thread(target=start)
    thread.start()
    thread.join()

    assert len(errors) == 1


def test_a_pipe_carries_objects_as_they_are() -> None:
    """Nothing is pickled; closing one end ends nothing, as threads share the object."""
    here, there = procession.dummy.Pipe()
    obj = object()
    with there:
        here.send(obj)
    here.close()

    assert there.poll()
    assert there.recv() is obj
    assert not there.poll(0.01)


def test_poll_waits_for_what_comes() -> None:
    """Also without a limit."""
    here, there = procession.dummy.Pipe()
    process = procession.dummy.Process(target=lambda: here.send("now"))
    process.start()

    assert there.poll(None)
    assert there.recv() == "now"
    process.join()


def test_a_listener_is_found_by_its_address() -> None:
    """Which is an object, not a name."""
    with procession.dummy.connection.Listener() as listener:
        client = procession.dummy.connection.Client(listener.address)  # type: ignore[arg-type]
        server = listener.accept()
        client.send(1)
        answer = server.recv()

    assert answer == 1
    with pytest.raises(OSError, match="closed"):
        listener.accept()


def test_a_manager_is_the_module() -> None:
    """Its dict is a dict."""
    manager = procession.dummy.Manager()

    namespace = manager.Namespace(x=1, _hidden=2)
    value = manager.Value("i", 3)
    array = manager.Array("i", range(3))
    manager.shutdown()

    assert manager.dict(a=1) == {"a": 1}
    assert repr(namespace) == "Namespace(x=1)"
    assert value.value == 3
    assert list(array) == [0, 1, 2]
    assert isinstance(manager.JoinableQueue(), Queue)


def test_a_pool_has_threads() -> None:
    """So functions need no name."""
    with procession.dummy.Pool(2) as pool:
        results = pool.map(lambda x: x + 1, range(5))

    assert results == [1, 2, 3, 4, 5]
