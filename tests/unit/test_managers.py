"""Managers: what is made, who counts it, and what becomes of it when somebody dies."""

import copy
import gc
import os
import pickle
import queue
import signal
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import procession
from procession import resource_tracker
from procession.connection import Client
from procession.managers import (
    BaseManager,
    BaseProxy,
    ListProxy,
    ManagerLostError,
    RemoteError,
    SharedMemoryManager,
    SyncManager,
)
from procession.managers._objects import Holder, Referents
from procession.shared_memory import SharedMemory
from tests.support import wait_until

CERTIFICATE = Path(__file__).parent.parent / "support" / "localhost.pem"


@pytest.fixture
def manager(ctx: Any) -> Iterator[Any]:
    """A manager whose server was started by each method."""
    with started(ctx.Manager()) as made:
        yield made


@pytest.fixture
def forked() -> Iterator[Any]:
    """A manager, where the start method makes no difference."""
    with started(procession.get_context("fork").Manager()) as made:
        yield made


class started:
    """Ends a manager and lets go of its process."""

    def __init__(self, manager: Any):
        self._manager = manager

    def __enter__(self) -> Any:
        return self._manager

    def __exit__(self, *_: object) -> None:
        self._manager.shutdown()
        self._manager._process.close()


def run(ctx: Any, target: Any, *args: Any) -> int:
    """The exit code of a child that has called *target*."""
    process = ctx.Process(target=target, args=args)
    process.start()
    process.join(30)
    exitcode: int = process.exitcode
    process.close()
    return exitcode


# ------------------------------------------------------------------------------------------ sharing


def fill(shared: Any, others: Any, tasks: Any) -> None:
    shared["others"] = others
    others.append("of the child")
    tasks.put(others)


def test_children_share_what_a_manager_has(ctx: Any, manager: Any) -> None:
    """Proxies are arguments, items and results; a change deep inside is seen by all."""
    shared, others, tasks = manager.dict(), manager.list([1]), manager.Queue()

    assert run(ctx, fill, shared, others, tasks) == 0

    shared["others"][0] = 2
    assert others[:] == [2, "of the child"]
    assert tasks.get().pop() == "of the child"
    assert str(shared).startswith("{'others': <ListProxy object, typeid 'list' at 0x")


def test_every_type_of_the_newest_standard_package(forked: Any) -> None:
    """Each with the methods that its proxy shows."""
    array = forked.Array("i", [1, 2, 3])
    array[1] = 5
    value = forked.Value("d", 1.5)
    value.value = 2.5
    namespace = forked.Namespace(x=1)
    del namespace.x
    numbers = forked.set({1})
    numbers |= {2}
    numbers -= {1}
    letters = forked.list("ab")
    letters *= 2
    letters += "c"
    named = forked.dict(a=1)
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


def test_a_proxy_is_not_its_copy(forked: Any) -> None:
    """``copy.copy`` is another proxy, ``copy.deepcopy`` and ``_getvalue`` are values."""
    shared = forked.list([[1]])
    proxy, value = copy.copy(shared), copy.deepcopy(shared)
    proxy.append(2)

    assert isinstance(proxy, BaseProxy)
    assert value == [[1]]
    assert shared._getvalue() == [[1], 2]
    assert repr(shared) != str(shared) == "[[1], 2]"


class Machine:
    """Something a program registers."""

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

    def fail_oddly(self) -> None:
        raise Odd(1, 2)

    def unsendable(self) -> Any:
        return threading.Lock()


class Odd(Exception):
    """It is pickled, but not unpickled."""

    def __init__(self, one: int, two: int):
        super().__init__(f"{one}, {two}")


class OwnManager(BaseManager):
    """A program's."""


OwnManager.register("Machine", Machine, method_to_typeid={"parts": "Parts"})
OwnManager.register("Oiled", Machine, exposed=("run", "_oil"))
OwnManager.register("Parts", create_method=False)


@pytest.fixture
def own() -> Iterator[Any]:
    made: Any = OwnManager()
    made.start()
    with started(made):
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
    """The exception itself, caused by where it was raised; or a text if it cannot travel."""
    machine = own.Machine()

    with pytest.raises(ZeroDivisionError, match="in the machine") as caught:
        machine.fail()
    assert "def fail" in str(caught.value.__cause__) or "in fail" in str(caught.value.__cause__)
    with pytest.raises(RemoteError, match=r"(?s)in fail_oddly.*Odd: 1, 2"):
        machine.fail_oddly()
    with pytest.raises(RemoteError, match=r"(?s)Unserializable.*lock"):
        machine.unsendable()
    with pytest.raises((AttributeError, pickle.PicklingError)):
        machine._callmethod("run", (lambda: 0,))
    assert machine.run() == 1


def refuse() -> None:
    raise LookupError("no server today")


def test_what_goes_wrong_at_the_start_is_raised_by_start(ctx: Any) -> None:
    """The initializer's exception; the address's; and the manager says where it is in its life."""
    manager = SyncManager(ctx=ctx)
    with pytest.raises(TypeError, match="callable"):
        manager.start(initializer=5)  # type: ignore[arg-type]
    with pytest.raises(LookupError, match="no server today"):
        manager.start(refuse)
    with pytest.raises(OSError, match=r"not.*address|No such file"):
        SyncManager("/does/not/exist/socket", ctx=ctx).start()
    with pytest.raises(AssertionError, match="not yet started"):
        manager.list()
    gc.collect()


def test_a_manager_is_started_once(forked: Any) -> None:
    with pytest.raises(procession.ProcessError, match="Already started"):
        forked.start()
    forked.shutdown()
    forked.shutdown()
    with pytest.raises(procession.ProcessError, match="shut down"):
        forked.get_server()


# ----------------------------------------------------------------------------------------- counting


def test_referents_go_with_their_last_proxy(forked: Any) -> None:
    inner = forked.list()
    outer = forked.dict(inner=inner)
    again = copy.copy(outer)
    counts = [forked._number_of_objects()]
    del inner, outer
    counts.append(forked._number_of_objects())
    again["inner"].append(1)
    assert again.pop("inner")[:] == [1]
    counts.append(forked._number_of_objects())
    del again
    counts.append(forked._number_of_objects())

    assert counts == [2, 1, 1, 0]
    assert forked._debug_info() == ""


def hold_and_wait(shared: Any, ready: Any) -> None:
    mine = [copy.copy(shared) for _ in range(5)]
    ready.put(len(mine))
    signal.pause()


def test_a_killed_client_gives_back_what_it_counted(ctx: Any, manager: Any) -> None:
    """At once: the server sees its connections close."""
    ready = ctx.Queue()
    shared = manager.list()
    process = ctx.Process(target=hold_and_wait, args=(shared, ready))
    process.start()
    assert ready.get(timeout=30) == 5
    del shared
    alive = manager._number_of_objects()
    process.kill()
    process.join()
    process.close()

    assert alive == 1
    wait_until(lambda: manager._number_of_objects() == 0)


def send_and_end(manager_address: Any, authkey: bytes, results: Any) -> None:
    manager = SyncManager(manager_address, authkey)
    manager.connect()
    results.put(manager.list(["sent"]))


def test_a_proxy_outlives_its_sender(ctx: Any, manager: Any) -> None:
    """The only proxy is in a queue, its sender has ended: the lease keeps the referent."""
    results = ctx.Queue()
    assert run(ctx, send_and_end, manager.address, bytes(manager._authkey), results) == 0
    during = manager._number_of_objects()
    received = results.get()

    assert received[:] == ["sent"]
    assert during == 1
    del received
    assert manager._number_of_objects() == 0


def test_a_temporary_proxy_is_an_argument(ctx: Any, manager: Any) -> None:
    """The parent has none any more when the child makes its own."""
    results = ctx.Queue()

    assert run(ctx, put_copy, manager.list([7]), results) == 0

    assert results.get() == [7]


def put_copy(shared: Any, results: Any) -> None:
    results.put(shared[:])


def test_proxies_are_passed_on_from_process_to_process(ctx: Any, manager: Any) -> None:
    shared = manager.list()

    assert run(ctx, pass_on, ctx, shared, 2) == 0

    assert shared[:] == [0, 1, 2]


def pass_on(ctx: Any, shared: Any, depth: int) -> None:
    if depth:
        assert run(ctx, pass_on, ctx, shared, depth - 1) == 0
    shared.append(depth)


def test_pickles_that_nobody_reads_end_with_their_writer(monkeypatch: pytest.MonkeyPatch) -> None:
    """A while later, for those who read them late; or when there are too many of them."""
    monkeypatch.setattr("procession.managers._objects.GRACE", 0.0)
    monkeypatch.setattr("procession.managers._objects.MOST_LEASES", 3)
    referents, writer, reader = Referents(), Holder(), Holder()
    ident = referents.add("list", [], ["append"], None, writer).id
    leases = [referents.lease(ident, writer) for _ in range(5)]
    counts = [referents.get(ident).count]
    referents.incref(leases[4], reader)
    counts.append(referents.get(leases[4]).count)
    referents.release_all(writer)
    counts.append(referents.get(ident).count)
    assert referents.end_expired_leases() is None
    counts.append(referents.get(ident).count)
    referents.release_all(reader)

    assert counts == [4, 4, 3, 1]
    assert ident not in referents


# -------------------------------------------------------------------------------- waiting and dying


def test_calls_that_wait_do_not_hold_up_others(forked: Any) -> None:
    """Of other threads of the same process, too."""
    tasks, event, shared = forked.Queue(), forked.Event(), forked.dict()
    results: list[Any] = []
    threads = [
        threading.Thread(target=lambda: results.append(tasks.get())),
        threading.Thread(target=lambda: results.append(event.wait())),
    ]
    for thread in threads:
        thread.start()
    shared["x"] = 1
    event.set()
    tasks.put(True)
    for thread in threads:
        thread.join()

    assert results == [True, True]


def test_a_queue_is_shut_down_for_all_clients(forked: Any) -> None:
    """Those who wait are told; what is in it can still be taken, unless it is to end at once."""
    tasks, full, joined = forked.Queue(), forked.Queue(1), forked.JoinableQueue()
    full.put(1)
    joined.put(1)
    told: list[str] = []

    def wait(method: Any, *args: Any) -> None:
        try:
            method(*args)
        except Exception as error:  # noqa: BLE001 - which is the claim
            told.append(type(error).__name__.removesuffix("Error").removeprefix("_"))

    calls = ((tasks.get,), (full.put, 2), (joined.join,))
    threads = [threading.Thread(target=wait, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for each in (tasks, full):
        each.shutdown()
    joined.shutdown(immediate=True)
    for thread in threads:
        thread.join(10)
    wait(full.put, 3)
    assert full.get() == 1
    wait(full.get)

    assert told == ["ShutDown"] * 4


def wait_in(ready: Any, method: Any, *args: Any) -> None:
    ready.put(None)
    method(*args)


def killed_waiting(ctx: Any, method: Any, *args: Any) -> None:
    """A child was killed while it waited in *method*."""
    ready = ctx.Queue()
    process = ctx.Process(target=wait_in, args=(ready, method, *args))
    process.start()
    ready.get(timeout=30)
    # Whether the call has arrived cannot be seen from here. Either way the claim holds.
    time.sleep(0.05)
    process.kill()
    process.join()
    process.close()


def test_a_getter_that_is_killed_takes_nothing(ctx: Any, manager: Any) -> None:
    tasks = manager.Queue()
    killed_waiting(ctx, tasks.get)
    wait_until(lambda: "refcount=1\n" in manager._debug_info() + "\n")
    tasks.put("for the living")

    assert tasks.get(timeout=5) == "for the living"


def test_a_lock_whose_holder_was_killed_says_so(ctx: Any, manager: Any) -> None:
    """Until it is reset; who ends in good order leaves it locked."""
    for lock in (manager.Lock(), manager.RLock()):
        killed_waiting(ctx, hold_forever, lock)
        with pytest.raises(procession.BrokenLockError, match="died while it held this lock"):
            lock.acquire(timeout=10)
        lock.reset()
        assert lock.acquire(timeout=10)
        lock.release()


def hold_forever(lock: Any) -> None:
    lock.acquire()
    signal.pause()


def test_a_lock_may_be_released_by_another_process(ctx: Any, manager: Any) -> None:
    lock = manager.Lock()

    assert run(ctx, lock.acquire) == 0

    assert lock.locked()
    lock.release()
    assert lock.acquire(False)


def test_a_waiter_for_a_lock_that_is_killed_does_not_get_it(ctx: Any, manager: Any) -> None:
    lock = manager.Lock()
    lock.acquire()
    killed_waiting(ctx, lock.acquire)
    lock.release()

    assert lock.acquire(timeout=10)


def test_permits_of_the_dead_are_given_back(ctx: Any, manager: Any) -> None:
    semaphore = manager.BoundedSemaphore(2)
    killed_waiting(ctx, hold_forever, semaphore)

    assert semaphore.acquire(timeout=10)
    assert semaphore.acquire(timeout=10)
    assert not semaphore.acquire(False)


def wait_for_notification(condition: Any, ready: Any) -> None:
    with condition:
        ready.put(None)
        ready.put(condition.wait(30))


def test_a_notification_is_not_lost_with_a_killed_waiter(ctx: Any, manager: Any) -> None:
    """Two wait, the first is killed; one notification wakes the other."""
    condition, queues = manager.Condition(), [ctx.Queue(), ctx.Queue()]
    processes = []
    for each in queues:
        process = ctx.Process(target=wait_for_notification, args=(condition, each))
        process.start()
        each.get(timeout=30)
        with condition:  # it can be had only when the child waits
            processes.append(process)
    processes[0].kill()
    processes[0].join()
    with condition:
        condition.notify()

    assert queues[1].get(timeout=10) is True
    for process in processes:
        process.join()
        process.close()


def test_a_barrier_breaks_when_a_party_is_killed(ctx: Any, manager: Any) -> None:
    barrier = manager.Barrier(3)
    broken: list[bool] = []

    def wait() -> None:
        try:
            barrier.wait(30)
        except threading.BrokenBarrierError:
            broken.append(True)

    thread = threading.Thread(target=wait)
    thread.start()
    ready = ctx.Queue()
    process = ctx.Process(target=wait_in, args=(ready, barrier.wait))
    process.start()
    wait_until(lambda: barrier.n_waiting == 2)
    process.kill()
    process.join()
    process.close()
    thread.join(10)

    assert broken == [True]
    assert barrier.broken


def test_a_barrier_lets_all_through_and_counts_them(forked: Any) -> None:
    barrier = forked.Barrier(3)
    places: list[int] = []
    for _ in range(3):
        threads = [threading.Thread(target=lambda: places.append(barrier.wait())) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert sorted(places) == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    with pytest.raises(threading.BrokenBarrierError):
        barrier.wait(0.01)
    barrier.reset()
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)


def test_an_interrupted_call_harms_nothing(forked: Any) -> None:
    """A signal handler raises in the middle of a call: the next one is answered properly."""
    tasks, shared = forked.Queue(), forked.list([1])

    class Interrupted(Exception):
        """By the alarm."""

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        with pytest.raises(Interrupted):
            tasks.get()
    finally:
        signal.signal(signal.SIGALRM, before)
    tasks.put("kept")

    assert shared[:] == [1]
    assert tasks.get() == "kept"
    assert forked._number_of_objects() == 2


def test_a_call_inside_a_call_has_its_own_connection(forked: Any) -> None:
    """A signal handler uses the proxy that is just waiting."""
    tasks = forked.Queue()
    before = signal.signal(signal.SIGALRM, lambda *_: tasks.put("from the handler"))
    signal.setitimer(signal.ITIMER_REAL, 0.1)
    try:
        received = tasks.get(timeout=10)
    finally:
        signal.signal(signal.SIGALRM, before)

    assert received == "from the handler"


def test_a_dead_manager_is_an_error_at_once() -> None:
    """In a call that waits, in the next one, and for another thread."""
    manager = procession.get_context("fork").Manager()
    tasks = manager.Queue()
    assert manager._process is not None
    killer = threading.Timer(0.1, os.kill, (manager._process.pid, signal.SIGKILL))
    killer.start()
    begin = time.monotonic()

    with pytest.raises(ManagerLostError, match=r"the manager at .* during Queue.get\(\)"):
        tasks.get()
    with pytest.raises((EOFError, OSError)) as caught:
        tasks.get()
    assert time.monotonic() - begin < 1.1
    notes = getattr(caught.value, "__notes__", [])
    assert isinstance(caught.value, ManagerLostError) or "there is no manager" in notes[0]
    killer.join()
    manager.shutdown()
    manager._process.close()


def test_writes_of_killed_clients_are_whole(ctx: Any, manager: Any) -> None:
    """What a client has been told is done is there; the others never notice."""
    shared = manager.dict()
    written = ctx.Queue()
    processes = []
    for number in range(4):
        process = ctx.Process(target=write_and_tell, args=(shared, number, written))
        process.start()
        processes.append(process)
    last: dict[int, int] = {}
    while len(last) < 4 or min(last.values()) < 20:
        number, value = written.get(timeout=30)
        last[number] = value
    for process in processes:
        process.kill()
        process.join()
        process.close()
    try:
        while True:
            number, value = written.get(timeout=0.1)
            last[number] = value
    except queue.Empty:
        pass

    assert all(shared[number] >= value for number, value in last.items())


def write_and_tell(shared: Any, number: int, written: Any) -> None:
    value = 0
    while True:
        value += 1
        shared[number] = value
        written.put((number, value))


# ------------------------------------------------------------------------------------ in the server


class Keeper:
    """Lives in the server and is given proxies there."""

    def __init__(self, shared: Any):
        self.shared = shared

    def add(self, item: Any) -> int:
        self.shared.append(item)
        return len(self.shared)

    def again(self) -> Any:
        return self.shared


class KeeperManager(SyncManager):
    """A program's."""


KeeperManager.register("Keeper", Keeper)


def test_a_proxy_that_comes_home_is_used_without_a_connection() -> None:
    """It works like everywhere, and keeps the referent alive."""
    made: Any = KeeperManager()
    made.start()
    with started(made):
        keeper = made.Keeper(made.list([1]))

        assert keeper.add(2) == 2
        assert keeper.again()[:] == [1, 2]
        assert made._number_of_objects() == 1


def test_a_server_in_this_process() -> None:
    """``get_server`` and threads, without any child."""
    server = SyncManager(authkey=b"key").get_server()
    thread = threading.Thread(target=serve, args=(server,))
    thread.start()
    client = SyncManager(server.address, b"key")
    client.connect()

    assert client.list([1])[0] == 1
    client._client.call_server("shutdown")
    thread.join(10)
    assert not thread.is_alive()


def serve(server: Any) -> None:
    try:
        server.serve_forever()
    except SystemExit:
        return


# ---------------------------------------------------------------------------------------- strangers


def test_strangers_are_not_let_in_and_harm_nobody(forked: Any) -> None:
    """Random bytes, silence, wrong keys, and requests that make no sense from one with the key."""
    shared = forked.list([1])
    silent = [connect(forked.address) for _ in range(5)]
    for size in (0, 1, 3, 4, 100, 100_000):
        with connect(forked.address) as noisy:
            try:
                noisy.sendall(os.urandom(size))
            except OSError:
                continue
    with pytest.raises(procession.AuthenticationError):
        Client(forked.address, authkey=b"wrong")
    for nonsense in (b"", b"no pickle", pickle.dumps(5), pickle.dumps((None, "__init__", (), {}))):
        with Client(forked.address, authkey=bytes(forked._authkey)) as conn:
            conn.send_bytes(nonsense)
            assert conn.recv()[0] == "#TRACEBACK"
    for each in silent:
        each.close()

    assert shared[:] == [1]


def connect(address: Any) -> socket.socket:
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(address)
    return sock


# ------------------------------------------------------------------------------------ shared memory


@pytest.fixture(scope="module", autouse=True)
def tracker() -> None:
    """The tracker lives as long as the family."""
    resource_tracker.ensure_running()


def test_segments_end_with_their_manager(ctx: Any) -> None:
    manager = SharedMemoryManager(ctx=ctx)
    with pytest.raises(ValueError, match="not been started"):
        manager.SharedMemory(10)
    with manager:
        segment, numbers = manager.SharedMemory(10), manager.ShareableList(range(3))
        assert list(numbers) == [0, 1, 2]
        names = manager._client.call_server("list_segments")
        manager._client.call_server("release_segment", segment.name)
        remaining = manager._client.call_server("list_segments")
    assert manager._process is not None
    manager._process.close()

    assert names == [segment.name, numbers.shm.name]
    assert remaining == [numbers.shm.name]
    for name in names:
        with pytest.raises(FileNotFoundError):
            SharedMemory(name)


# ---------------------------------------------------------------------------------------------- TLS


def tls(server_side: bool) -> ssl.SSLContext:
    """The context for either side."""
    if not server_side:
        return ssl.create_default_context(cafile=CERTIFICATE)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


def append_over_tls(address: Any, authkey: bytes) -> None:
    manager = OwnTls(address, authkey, ssl_context=tls(server_side=False))
    manager.connect()
    manager.shared().append("secretly")


_shared_over_tls: list[str] = []


def shared_over_tls() -> list[str]:
    return _shared_over_tls


class OwnTls(SyncManager):
    """A program's, with a list that is there once."""


OwnTls.register("shared", shared_over_tls, ListProxy)


def test_a_manager_speaks_tls(ctx: Any) -> None:
    """Its proxies too, and those of clients elsewhere."""
    made: Any = OwnTls(("localhost", 0), b"key", ssl_context=tls, ctx=ctx)
    made.start()
    with started(made):
        assert run(ctx, append_over_tls, made.address, b"key") == 0
        nested = made.dict(shared=made.shared())

        assert nested["shared"][:] == ["secretly"]
    with pytest.raises(TypeError, match="function"):
        SyncManager(ssl_context=tls(server_side=True), ctx=ctx).start()
