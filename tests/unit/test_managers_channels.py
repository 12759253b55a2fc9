"""Calls of managers through shared memory: which go there, and what happens if one is cut short."""

import os
import queue
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import procession
from procession import _core
from procession.managers import ManagerLostError, SyncManager
from procession.managers._protocol import (
    ALWAYS_BY_CONNECTION,
    CALL_BY_CONNECTION,
    DONE,
    RAISED,
)
from procession.managers._server_events import Event
from procession.managers._server_locks import Lock, RLock, Semaphore
from procession.managers._server_queue import Queue
from procession.managers._shm_client import CALLS_AFTER_FETCH, ChannelCalls
from procession.managers._wait_queue import MustWait, current_call
from tests.support import start_python, wait_until
from tests.support.managers import running

FAMILY = procession.get_context("fork")


@pytest.fixture
def manager() -> Iterator[Any]:
    """A manager, where the start method makes no difference."""
    with running(FAMILY.Manager()) as manager:
        yield manager


def channels(manager: Any) -> ChannelCalls:
    """Return the channels of this thread, which has called a method."""
    found = manager._client._thread.conn.channels
    assert isinstance(found, ChannelCalls)
    return found


def reply_kind(proxy: Any, manager: Any, name: str, *args: Any, **kwds: Any) -> int | None:
    """Return the kind of the reply through the channel; None if the call cannot go there."""
    reply = channels(manager).call(proxy._id, name, args, kwds)
    return None if reply is None else reply[0]


# ------------------------------------------------------------------------------ which way calls go


def test_nonblocking_calls_go_through_the_channel(manager: Any) -> None:
    """Calls of the standard types do; their effects and results are the same as elsewhere."""
    shared, items, tasks = manager.dict(a=1), manager.list([1, 2]), manager.Queue()
    lock, flag, space = manager.RLock(), manager.Event(), manager.Namespace(x=1)
    shared["b"] = 2
    assert shared["b"] == 2  # by the connection or not
    calls = [
        (shared, "__setitem__", ("k", {"deep": [1, {2}, b"x" * 100_000]})),
        (shared, "get", ("a",)),
        (shared, "pop", ("absent", None)),
        (items, "append", (3,)),
        (items, "__getitem__", (0,)),
        (tasks, "put", (1,)),
        (tasks, "get", ()),
        (tasks, "qsize", ()),
        (lock, "acquire", ()),
        (lock, "release", ()),
        (flag, "set", ()),
        (flag, "wait", (1,)),
        (space, "__setattr__", ("y", 5)),
        (space, "__getattribute__", ("y",)),
        (manager.Value("i", 1), "get", ()),
        (manager.Array("i", [1, 2]), "__getitem__", (0,)),
        (manager.set([1]), "add", (2,)),
        (manager.Semaphore(1), "acquire", ()),
        (manager.Condition(), "acquire", ()),
        (iter(manager.dict(a=1)), "__next__", ()),
    ]

    for proxy, name, args in calls:
        assert reply_kind(proxy, manager, name, *args) == DONE, name
    assert shared["k"] == {"deep": [1, {2}, b"x" * 100_000]}
    assert items[:] == [1, 2, 3]
    assert space.y == 5


class Thing:
    """An object that is not simple: it is pickled."""

    def __init__(self, number: int):
        self.number = number

    def twice(self) -> int:
        return 2 * self.number


class Own(SyncManager):
    """A manager class with types of the program."""


class Counter:
    """A class that names a nonblocking method."""

    _nonblocking_ = ("add",)

    def __init__(self) -> None:
        self.total = 0

    def add(self, n: int) -> int:
        self.total += n
        return self.total

    def get(self) -> int:
        return self.total


class Derived(Counter):
    """A derived class, which might have another `add`: what its base says does not count."""


Own.register("Thing", Thing)
Own.register("Counter", Counter)
Own.register("Derived", Derived)


def test_other_calls_go_by_the_connection(manager: Any) -> None:
    """Calls that have to wait do, and unknown methods; results and errors are the usual ones."""
    shared, tasks, lock = manager.dict(), manager.Queue(), manager.Lock()
    condition, barrier = manager.Condition(), manager.Barrier(1)
    shared["thing"] = Thing(3)
    assert shared["thing"].number == 3
    lock.acquire()
    assert reply_kind(lock, manager, "acquire") == CALL_BY_CONNECTION
    assert reply_kind(tasks, manager, "get") == CALL_BY_CONNECTION
    assert reply_kind(tasks, manager, "get", True, 0.5) == CALL_BY_CONNECTION
    assert reply_kind(shared, manager, "__getitem__", "absent") == RAISED
    assert reply_kind(shared, manager, "__setitem__", "x", Thing(1)) is None
    assert reply_kind(shared, manager, "__iter__") == ALWAYS_BY_CONNECTION
    assert reply_kind(shared, manager, "no such method") == ALWAYS_BY_CONNECTION
    assert reply_kind(condition, manager, "wait", 0.1) == ALWAYS_BY_CONNECTION
    assert reply_kind(barrier, manager, "wait") == ALWAYS_BY_CONNECTION

    assert barrier.wait() == 0
    assert not lock.acquire(True, 0.01)
    with pytest.raises(queue.Empty):
        tasks.get(True, 0.01)
    with pytest.raises(KeyError) as caught:
        shared["absent"]
    assert caught.value.args == ("absent",)
    with pytest.raises(queue.Empty):  # not a simple error: with the traceback
        tasks.get_nowait()


def test_the_methods_of_other_types_go_by_the_connection() -> None:
    """So do those of a type that a program registered, unless it names them as nonblocking."""
    with Own(ctx=FAMILY) as manager:
        thing = manager.Thing(4)
        assert thing.twice() == 8
        assert reply_kind(thing, manager, "twice") == ALWAYS_BY_CONNECTION
        counter, derived = manager.Counter(), manager.Derived()
        assert counter.add(2) == 2
        assert reply_kind(counter, manager, "add", 3) == DONE
        assert reply_kind(counter, manager, "get") == ALWAYS_BY_CONNECTION
        assert reply_kind(derived, manager, "add", 3) == ALWAYS_BY_CONNECTION
        assert counter.get() == 5
        process = manager._process
    process.close()


def test_a_method_with_a_result_that_is_not_simple_is_called_by_the_connection(
    manager: Any,
) -> None:
    """After a while it is called through the channel again."""
    shared = manager.dict(key=1)
    assert shared["key"] == 1
    requests: _core.TaskChannel = channels(manager)._put.__self__

    def reads() -> int:
        """Return how many of some reads went through the channel."""
        before = requests.got_count + requests.qsize()
        for _ in range(CALLS_AFTER_FETCH):
            assert shared["key"]
        return requests.got_count + requests.qsize() - before

    assert reads() == CALLS_AFTER_FETCH
    shared["key"] = Thing(1)
    assert reads() == 1
    shared["key"] = 2
    assert reads() == CALLS_AFTER_FETCH - 1
    assert reads() == CALLS_AFTER_FETCH


STRANGER = """
    from procession.managers import SyncManager
    manager = SyncManager({address!r}, {key!r})
    SyncManager.register("shared")
    manager.connect()
    shared = manager.list([1, 2])
    shared.append([3])
    print(shared[:], manager._client._thread.conn.channels)
"""


def test_a_client_of_another_family_has_no_channel(manager: Any) -> None:
    code = STRANGER.format(address=manager.address, key=bytes(manager._authkey))

    with start_python(code) as program:
        outcome = program.finish()

    assert outcome.stdout == "[1, 2, [3]] None\n", outcome.stderr


def use_in_child(shared: Any, inherited: int) -> None:
    shared["child"] = 1
    assert shared["child"] == 1
    own = shared._client._thread.conn.channels
    assert isinstance(own, ChannelCalls)
    assert own._session != inherited


def test_a_forked_child_has_channels_of_its_own(manager: Any) -> None:
    shared = manager.dict()
    shared["parent"] = 1
    mine = channels(manager)
    child = FAMILY.Process(target=use_in_child, args=(shared, mine._session))
    child.start()
    child.join()

    assert child.exitcode == 0
    child.close()
    assert channels(manager) is mine
    assert shared["child"] == 1


# ------------------------------------------------------------------------------------ cut short


def leave_unread(proxy: Any, name: str, *args: Any) -> None:
    """Call a method and be killed before the result is received."""
    proxy.qsize() if hasattr(proxy, "qsize") else proxy.locked()
    calls = proxy._client._thread.conn.channels
    calls._put((proxy._id, name, args, ()), calls._session)
    replies: _core.TaskChannel = calls._get.__self__
    wait_until(lambda: replies.qsize() == 1)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("simple", [True, False])
def test_an_item_whose_getter_was_killed_is_put_back(manager: Any, simple: bool) -> None:
    """It had left the queue, but the client had not received it; the manager puts it back."""
    tasks = manager.Queue()
    tasks.put("first" if simple else Thing(7))
    tasks.put("second")
    die(leave_unread, tasks, "get")

    items = [tasks.get(timeout=10) for _ in range(2)]
    items.remove("second")
    assert (items[0] if simple else items[0].number) == ("first" if simple else 7)


@pytest.mark.parametrize("kind", ["Lock", "RLock", "Semaphore"])
def test_a_client_killed_before_it_learns_of_its_lock_does_not_have_it(
    manager: Any, kind: str
) -> None:
    lock = getattr(manager, kind)()
    die(leave_unread, lock, "acquire")

    assert lock.acquire(True, 10)


def die(target: Any, *args: Any) -> None:
    child = FAMILY.Process(target=target, args=args)
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL
    child.close()


def test_a_request_of_a_closed_session_is_not_carried_out(manager: Any) -> None:
    lock = manager.Lock()
    assert not lock.locked()
    calls = channels(manager)
    manager._client._thread.conn.close()
    manager._client._thread.conn = None
    wait_until(lambda: session_is_closed(calls, lock))

    assert lock.acquire(False)


def session_is_closed(calls: ChannelCalls, lock: Any) -> bool:
    """Return whether the manager has closed the session: it does not answer a request any more."""
    calls._put((lock._id, "locked", (), ()), calls._session)
    assert lock.locked() is False  # a later request, of another session, was answered
    silent = calls._get.__self__.qsize() == 0
    calls._put((lock._id, "acquire", (), ()), calls._session) if silent else calls._get(0)
    return bool(silent)


def all_stopped(pid: int) -> bool:
    """Return whether no thread of a process runs any more."""
    stats = [task.joinpath("stat").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]
    return all(stat.rpartition(")")[2].split()[0] == "T" for stat in stats)


def test_a_client_that_waits_for_a_result_notices_the_managers_death() -> None:
    """The manager is stopped while the client waits, and then killed."""
    manager: Any = FAMILY.Manager()
    shared = manager.dict(x=1)
    assert shared["x"] == 1
    assert channels(manager)
    os.kill(manager._process.pid, signal.SIGSTOP)
    wait_until(lambda: all_stopped(manager._process.pid))
    killed: list[float] = []

    def kill() -> None:
        killed.append(time.monotonic())
        os.kill(manager._process.pid, signal.SIGKILL)

    timer = threading.Timer(0.5, kill)
    timer.start()

    with pytest.raises(ManagerLostError, match=r"the manager at .* during dict.__getitem__\(\)"):
        shared["x"]
    assert time.monotonic() - killed[0] < 1.0
    timer.join()
    manager.shutdown()
    manager._process.close()


def test_after_a_shutdown_calls_fail_at_once() -> None:
    manager: Any = FAMILY.Manager()
    process = manager._process
    shared = manager.dict(x=1)
    assert shared["x"] == 1
    manager._client.call_server("shutdown")
    manager.join()

    for _ in range(2):
        with pytest.raises((EOFError, OSError)):
            shared["x"]
    manager.shutdown()
    process.close()


# --------------------------------------------------------------------------------------- in order


@pytest.mark.parametrize("kind", [Lock, RLock, Semaphore, Queue])
def test_a_call_through_the_channel_does_not_overtake_a_waiter(kind: Any) -> None:
    """The lock or item that becomes free is for the call that waits for it, in another thread."""
    made = kind()
    if kind is Queue:
        take, give, waiters = made.get, lambda: made.put(1), made._getters
    else:
        take, give, waiters = made.acquire, made.release, made._waiters
        take()
    waiter = threading.Thread(target=take)
    waiter.start()
    wait_until(lambda: len(waiters) == 1)
    give()

    current_call.may_wait = False
    try:
        with pytest.raises(MustWait):
            take()
    finally:
        current_call.clear()
    waiter.join()


def test_an_attempt_that_has_to_wait_changes_nothing() -> None:
    """It may be made again by the connection."""
    lock, tasks, flag = Lock(), Queue(1), Event()
    lock.acquire()
    tasks.put("first")
    current_call.may_wait = False
    try:
        for call in (lock.acquire, lambda: tasks.put("second"), tasks.join, flag.wait):
            with pytest.raises(MustWait):
                call()
        assert not lock.acquire(False)
        with pytest.raises(queue.Full):
            tasks.put_nowait("second")
    finally:
        current_call.clear()

    assert tasks.get() == "first"
    tasks.task_done()
    tasks.join()
    lock.release()
    assert lock.acquire(False)
