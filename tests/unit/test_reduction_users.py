"""`reduction`, `resource_sharer` and `resource_tracker` in the ways that libraries use them."""

import asyncio
import mmap
import os
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import procession
from procession import reduction, resource_tracker
from procession.connection import _fd_sharer
from procession.reduction import ForkingPickler
from tests.support import run_python

TIMEOUT = 30.0


@pytest.fixture(autouse=True)
def no_traces() -> Iterator[None]:
    """Forget what a test registers, and end the thread that hands out descriptors."""
    before = dict(ForkingPickler._extra_reducers)
    yield
    ForkingPickler._extra_reducers.clear()
    ForkingPickler._extra_reducers.update(before)
    _fd_sharer.stop(timeout=10)


# ------------------------------------------------------- tensors by descriptor, as PyTorch does it


class Storage:
    """A piece of memory that is known by a descriptor."""

    def __init__(self, fd: int, size: int):
        self.fd, self.memory = fd, mmap.mmap(fd, size)

    def close(self) -> None:
        """Let go of it."""
        self.memory.close()
        os.close(self.fd)


def rebuild_storage(stand_in: Any, size: int) -> Storage:
    return Storage(stand_in.detach(), size)


def reduce_storage(storage: Storage) -> Any:
    return rebuild_storage, (reduction.DupFd(storage.fd), len(storage.memory))


@pytest.fixture
def storage() -> Iterator[Storage]:
    """Some memory, and its type registered as the library's import would."""
    ForkingPickler.register(Storage, reduce_storage)
    fd = os.memfd_create("storage")
    os.ftruncate(fd, 4096)
    made = Storage(fd, 4096)
    yield made
    made.close()


def write(storage: Storage, box: Any) -> None:
    """In a child, which has imported this module but registered nothing: it only receives."""
    storage.memory[:4] = b"here"
    other = box.get(timeout=TIMEOUT)
    other.memory[4:9] = b"there"
    other.close()
    storage.close()


def test_memory_goes_by_descriptor_at_the_start_and_through_queues(
    ctx: Any, storage: Storage
) -> None:
    box = ctx.Queue()
    process = ctx.Process(target=write, args=(storage, box))
    process.start()

    box.put(storage)

    process.join(TIMEOUT)
    assert process.exitcode == 0
    assert storage.memory[:9] == b"herethere"


def test_what_was_registered_can_be_taken_back(storage: Storage) -> None:
    """Some libraries switch their reducers on and off."""
    box = procession.Queue()
    del ForkingPickler._extra_reducers[Storage]

    with pytest.raises(TypeError, match="mmap"):
        box.put(storage)


def test_types_of_the_interpreter_can_be_registered() -> None:
    """Beside what is registered already, which a library may ask for."""
    descriptor = type(list.append)
    known = ForkingPickler._extra_reducers.get(descriptor)
    assert known is None or callable(known)

    ForkingPickler.register(descriptor, lambda m: (getattr, (m.__objclass__, m.__name__)))

    data = ForkingPickler.dumps(list.append, pickle.HIGHEST_PROTOCOL)
    assert ForkingPickler.loads(data) is list.append


# --------------------------------------------------- clients handed to workers, as servers do it


def serve(pipe: Any) -> None:
    """Answer on sockets that come as handles."""
    while pipe.recv() == "client":
        with socket.socket(fileno=reduction.recv_handle(pipe)) as client:
            client.sendall(client.recv(100).upper())


def test_a_server_hands_its_clients_to_workers(ctx: Any) -> None:
    """By `send_handle`, beside messages on the same pipe."""
    ours, its = procession.Pipe()
    process = ctx.Process(target=serve, args=(its,))
    process.start()
    for words in (b"first", b"second"):
        here, there = socket.socketpair()
        ours.send("client")
        reduction.send_handle(ours, there.fileno(), process.pid)
        there.close()
        with here:
            here.sendall(words)
            assert here.recv(100) == words.upper()
    ours.send("end")
    process.join(TIMEOUT)
    ours.close()
    its.close()
    assert process.exitcode == 0


def test_handles_are_sent_from_an_event_loop() -> None:
    """In one of its threads."""
    ours, its = procession.Pipe()
    reader, writer = os.pipe()

    async def send() -> int:
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, reduction.send_handle, ours, writer, os.getpid())
        return await loop.run_in_executor(None, reduction.recv_handle, its)

    copy = asyncio.run(send())
    os.write(copy, b"x")
    assert os.read(reader, 1) == b"x"
    for fd in (reader, writer, copy):
        os.close(fd)
    ours.close()
    its.close()


def test_descriptors_go_over_plain_sockets() -> None:
    """By `sendfds` and `recvfds`, as shells and daemons use them."""
    here, there = socket.socketpair()
    with here, there:
        reduction.sendfds(here, [0, 1, 2])
        copies = reduction.recvfds(there, 3)
    assert len(copies) == 3
    for fd in copies:
        os.close(fd)


def answer_in_child(connection: Any) -> None:
    with connection.recv() as inner:
        inner.send(os.getpid())


def test_a_connection_goes_through_a_connection(ctx: Any) -> None:
    ours, its = procession.Pipe()
    near, far = procession.Pipe()
    process = ctx.Process(target=answer_in_child, args=(its,))
    process.start()

    ours.send(far)

    assert near.recv() == process.pid
    process.join(TIMEOUT)
    for end in (ours, its, near, far):
        end.close()


# ------------------------------------------------------------ keeping the tracker from a segment


@pytest.mark.orphans  # the program's tracker ends after it
def test_a_segment_can_be_taken_from_the_tracker() -> None:
    """The remedy for gh-82300 that programs carry: harmless where it is not needed."""
    outcome = run_python(
        """
        import sys
        from procession import resource_tracker
        from procession.shared_memory import SharedMemory
        mine = SharedMemory(create=True, size=16)
        other = SharedMemory(name=mine.name)
        resource_tracker.unregister(other._name, "shared_memory")
        resource_tracker.unregister(mine._name, "shared_memory")
        other.close()
        mine.close()
        print(mine.name)
        """
    )

    assert outcome.stderr == ""
    Path("/dev/shm", outcome.stdout.strip()).unlink()  # it was not removed


@pytest.mark.orphans
def test_registration_can_be_replaced() -> None:
    """Another form of the same remedy."""
    outcome = run_python(
        """
        from procession import resource_tracker
        from procession.shared_memory import SharedMemory
        names = []
        resource_tracker.register = lambda name, rtype, *_: names.append(rtype)
        resource_tracker.unregister = lambda name, rtype: names.append("un" + rtype)
        if "shared_memory" in resource_tracker._CLEANUP_FUNCS:
            del resource_tracker._CLEANUP_FUNCS["shared_memory"]
        segment = SharedMemory(create=True, size=16)
        segment.close()
        segment.unlink()
        print(*names)
        """
    )

    assert (outcome.stdout, outcome.stderr) == ("shared_memory unshared_memory\n", "")


@pytest.mark.bare
def test_the_tracker_has_the_names_that_libraries_use() -> None:
    """Joblib derives a tracker of its own; others look for the descriptor."""
    assert issubclass(type("Own", (resource_tracker.ResourceTracker,), {}), object)
    assert {"shared_memory", "semaphore"} <= set(resource_tracker._CLEANUP_FUNCS)
    assert resource_tracker.getfd.__self__ is resource_tracker._resource_tracker
    assert callable(resource_tracker.ensure_running)
    assert callable(resource_tracker.main)


def test_names_that_libraries_import_are_there() -> None:
    """By joblib's loky and by dill, whatever is used of them then."""
    import queue

    from procession import queues, reduction

    assert (queues.Full, queues.Empty) == (queue.Full, queue.Empty)
    assert hasattr(queues, "_sentinel")
    with socket.socket() as sock:
        rebuild, arguments = reduction._reduce_socket(sock)
    assert rebuild is reduction._rebuild_socket
    with rebuild(*arguments) as again:
        assert again.family == socket.AF_INET
