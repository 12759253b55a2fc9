"""Pickling for other processes, and descriptors over sockets."""

import contextlib
import copyreg
import io
import os
import pickle
import signal
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from procession import reduction
from procession._pickling.pickler import pickle_parts
from procession.connection import Client, Pipe, _fd_sharer
from procession.reduction import DupFd, ForkingPickler

pytestmark = pytest.mark.bare


class Thing:
    """Something with nothing but a type."""


def as_seven(thing: Any) -> tuple[Any, ...]:
    return int, ("7",)


@pytest.fixture(autouse=True)
def no_sharing() -> Iterator[None]:
    """End the thread that hands out descriptors, after each test."""
    yield
    _fd_sharer.stop(timeout=10)


@pytest.fixture
def no_reducers() -> Iterator[None]:
    """Forget what a test registers."""
    before, before_copyreg = dict(ForkingPickler._extra_reducers), dict(copyreg.dispatch_table)
    yield
    for table, old in (
        (ForkingPickler._extra_reducers, before),
        (copyreg.dispatch_table, before_copyreg),
    ):
        table.clear()
        table.update(old)


def copy_of(obj: Any, pickler: Any = ForkingPickler) -> Any:
    return pickler.loads(pickler.dumps(obj))


# ------------------------------------------------------------------------------------- the pickler


@pytest.mark.parametrize("obj", [None, (1, "x"), b"y" * 1_000_000, [b"z" * 70_000] * 3, len])
def test_what_goes_in_comes_out(obj: Any) -> None:
    assert copy_of(obj) == obj
    assert b"".join(pickle_parts(obj)) == bytes(ForkingPickler.dumps(obj))


def test_large_bytes_are_not_copied() -> None:
    large = bytes(1_000_000)
    assert any(part is large for part in pickle_parts(["before", large, "after"]))


def test_a_registered_reducer_is_used_at_once(no_reducers: None) -> None:
    assert isinstance(copy_of(Thing()), Thing)
    reduction.register(Thing, as_seven)
    assert copy_of(Thing()) == 7
    assert isinstance(pickle.loads(pickle.dumps(Thing())), Thing)


def test_reducers_of_copyreg_are_used_at_once(no_reducers: None) -> None:
    assert isinstance(copy_of(Thing()), Thing)
    copyreg.pickle(Thing, as_seven)  # type: ignore[arg-type]
    assert copy_of(Thing()) == 7
    copyreg.pickle(Thing, lambda thing: (int, ("8",)))  # type: ignore[arg-type, return-value]
    assert copy_of(Thing()) == 8


class Shouting(ForkingPickler):
    """A subclass that treats some objects in its own way."""

    def reducer_override(self, obj: Any) -> Any:
        return (str.upper, (obj.__name__,)) if obj is Thing else NotImplemented


def test_a_subclass_keeps_its_own_ways(no_reducers: None) -> None:
    reduction.register(Thing, as_seven)
    assert copy_of([Thing, Thing()], Shouting) == ["THING", 7]


def test_the_table_of_one_pickler_is_its_own(no_reducers: None) -> None:
    file = io.BytesIO()
    pickler = ForkingPickler(file, protocol=4)
    pickler.dispatch_table[Thing] = as_seven  # type: ignore[index]
    pickler.dump(Thing())
    assert pickle.loads(file.getvalue()) == 7
    assert isinstance(copy_of(Thing()), Thing)


def test_dump_writes_to_a_file(no_reducers: None) -> None:
    file = io.BytesIO()
    reduction.register(Thing, as_seven)
    reduction.dump(Thing(), file, 2)
    assert file.getvalue()[:2] == b"\x80\x02"
    assert pickle.loads(file.getvalue()) == 7


def test_the_default_reducer_offers_all_functions() -> None:
    reducer = reduction.AbstractReducer()
    for name in ("ForkingPickler", "register", "dump", "send_handle", "recv_handle", "DupFd"):
        assert getattr(reducer, name) == getattr(reduction, name)


# ------------------------------------------------------------------------ descriptors over a socket


@contextlib.contextmanager
def open_null() -> Iterator[int]:
    fd = os.open(os.devnull, os.O_RDONLY)
    try:
        yield fd
    finally:
        os.close(fd)


def same_file(one: int, other: int) -> bool:
    return os.path.sameopenfile(one, other)


def test_descriptors_are_sent_over_a_socket() -> None:
    here, there = socket.socketpair()
    with here, there, open_null() as fd:
        reduction.sendfds(here, [fd] * 3)
        received = reduction.recvfds(there, 3)
        assert len({fd, *received}) == 4
        for number in received:
            assert same_file(number, fd)
            assert not os.get_inheritable(number)
            os.close(number)


def test_a_handle_is_sent_over_a_pipe() -> None:
    here, there = Pipe()
    with here, there, open_null() as fd:
        reduction.send_handle(here, fd, os.getpid())
        received = reduction.recv_handle(there)
        assert same_file(received, fd)
        os.close(received)
        here.send("the pipe still works")
        assert there.recv() == "the pipe still works"


def test_too_many_descriptors_are_refused_and_none_is_kept() -> None:
    here, there = socket.socketpair()
    with here, there, open_null() as fd:
        reduction.sendfds(here, [fd] * 3)
        with pytest.raises(RuntimeError, match="Invalid data"):
            reduction.recvfds(there, 1)


def test_bytes_are_no_descriptor() -> None:
    here, there = Pipe()
    with here, there:
        os.write(here.fileno(), b"\1")
        with pytest.raises(RuntimeError, match="Invalid data"):
            reduction.recv_handle(there)
        here.close()
        with pytest.raises(EOFError):
            reduction.recv_handle(there)


# ----------------------------------------------------------------------- descriptors in any message


def test_a_descriptor_in_a_message_is_a_duplicate() -> None:
    with open_null() as fd:
        message = ForkingPickler.dumps(DupFd(fd))
    received = pickle.loads(message).detach()
    with open_null() as fd:
        assert same_file(received, fd)
    os.close(received)


def test_a_descriptor_can_be_fetched_once() -> None:
    with open_null() as fd:
        stand_in = DupFd(fd)
        os.close(stand_in.detach())
        with pytest.raises(OSError, match="cannot be fetched"):
            stand_in.detach()


def test_what_was_not_fetched_is_closed_by_stop() -> None:
    with open_null() as fd:
        stand_in = DupFd(fd)
    _fd_sharer.stop(timeout=10)
    with pytest.raises(OSError, match="has ended or stopped sharing"):
        stand_in.detach()
    _fd_sharer.stop()  # again: nothing to do


def test_the_sharer_survives_strangers_and_bad_requests() -> None:
    with open_null() as fd:
        stand_in = DupFd(fd)
        address, _ = stand_in._id
        with Client(address) as stranger:
            stranger.send_bytes(b"no key")
        confused = _fd_sharer._resource_sharer.get_connection((address, 987))
        with confused, pytest.raises(EOFError):
            confused.recv()
        os.close(stand_in.detach())


def test_the_sharing_thread_takes_no_signals() -> None:
    with open_null() as fd:
        stand_in = DupFd(fd)
    (thread,) = (t for t in threading.enumerate() if t.name == "procession-sharer")
    with open(f"/proc/self/task/{thread.native_id}/status") as status:
        blocked = next(line for line in status if line.startswith("SigBlk:"))
    assert int(blocked.split()[1], 16) & 1 << (signal.SIGINT - 1)
    os.close(stand_in.detach())


def test_a_forked_child_shares_by_itself() -> None:
    """The parent's thread is not there, and what the parent shares is the parent's to hand out."""
    with open_null() as fd:
        of_parent = DupFd(fd)
        here, there = Pipe()
        with here, there:
            pid = os.fork()
            if pid == 0:
                share_and_exit(there, fd)
            received = here.recv().detach()
            here.send("enough")
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        assert same_file(received, fd)
        os.close(received)
        os.close(of_parent.detach())


def share_and_exit(connection: Any, fd: int) -> None:
    """In a forked child, which must not go on as a second test run, whatever happens."""
    code = 1
    try:
        connection.send(DupFd(fd))
        connection.recv()
        code = 0
    finally:
        os._exit(code)


def test_a_socket_that_was_sent_is_the_same() -> None:
    here, there = socket.socketpair()
    with here, there, copy_of(there) as copy:
        assert (copy.family, copy.type, copy.proto) == (there.family, there.type, there.proto)
        copy.send(b"x")
        assert here.recv(1) == b"x"
