"""What a child has of its parent's connections, and what hides the end of a stream."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

import procession
from procession.connection import Connection, Pipe, wait

FORK = procession.get_context("fork")
FRESH = pytest.mark.parametrize("method", ["spawn", "forkserver"])
SOON = 30.0  # seconds that a wait may take: the machine may be busy; the claim is that it ends


@contextmanager
def running(context: Any, target: Any = time.sleep, args: tuple[Any, ...] = (60,)) -> Iterator[Any]:
    """A child that keeps running until the end of the `with`."""
    process = context.Process(target=target, args=args)
    process.start()
    try:
        yield process
    finally:
        process.kill()
        process.join()
        process.close()


def hold(*held: Any) -> None:
    """In a child: have *held*, and say so to the first of them."""
    held[0].send("holding")
    time.sleep(60)


def hold_one_and_close(held: Connection, *others: Connection) -> None:
    """In a forked child: close the ends that are for other processes, and keep one."""
    for other in others:
        other.close()
    hold(held)


def assert_ended(reader: Connection) -> None:
    assert reader.poll(SOON), "another process has the other end open"
    with pytest.raises((EOFError, ConnectionResetError)):
        reader.recv()


@pytest.mark.parametrize("duplex", [True, False])
def test_a_forked_child_keeps_every_connection_of_its_parent(duplex: bool) -> None:
    """As in the standard package: the stream ends when the last process with a copy has ended."""
    reader, writer = Pipe(duplex)
    with reader:
        with running(FORK):
            writer.close()
            assert not reader.poll(0.05)

        assert_ended(reader)


def test_the_child_of_a_plain_fork_can_use_them() -> None:
    reader, writer = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        writer.send("sent")
        os._exit(0)
    writer.close()
    with reader:
        assert reader.recv() == "sent"
        os.waitpid(pid, 0)


def test_a_child_that_closes_what_is_not_its_own_hides_nothing() -> None:
    pipes = [Pipe() for _ in range(3)]
    here = [first for first, _ in pipes]
    there = [second for _, second in pipes]
    children = []
    for own in there:
        others = [end for end in here + there if end is not own and not end.closed]
        child = FORK.Process(target=hold_one_and_close, args=(own, *others))
        child.start()
        own.close()
        children.append(child)
    for reader in here:
        assert reader.recv() == "holding"

    for child, reader in zip(children, here, strict=True):
        child.kill()
        assert_ended(reader)
        reader.close()
        child.join()
        child.close()


def test_the_sentinel_tells_of_a_death_that_a_sibling_hides() -> None:
    reader, writer = Pipe()
    with reader, running(FORK, hold, (writer,)) as peer, running(FORK):
        writer.close()
        assert reader.recv() == "holding"

        os.kill(peer.pid, signal.SIGKILL)

        assert wait([reader, peer.sentinel], SOON) == [peer.sentinel]


@FRESH
@pytest.mark.parametrize("duplex", [True, False])
def test_a_child_that_starts_afresh_has_only_what_it_was_given(method: str, duplex: bool) -> None:
    context = procession.get_context(method)
    reader, writer = Pipe(duplex)
    with reader, running(context, hold, (writer,)) as peer, running(context) as sibling:
        writer.close()
        assert reader.recv() == "holding"

        os.kill(peer.pid, signal.SIGKILL)

        assert_ended(reader)
        assert sibling.is_alive()


def send_for_ever(writer: Connection) -> None:
    """Send until the other end is closed."""
    while True:
        writer.send_bytes(bytes(1000))


def test_a_writer_learns_that_its_reader_is_gone() -> None:
    reader, writer = Pipe()
    with writer:
        reader.close()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            send_for_ever(writer)
