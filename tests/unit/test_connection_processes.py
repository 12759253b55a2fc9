"""Connections between processes, and connections that travel to other processes."""

import contextlib
import pickle
from typing import Any

import pytest

from procession.connection import Connection, Pipe, _fd_sharer


def echo(connection: Connection) -> None:
    """In a child: send everything back."""
    with contextlib.suppress(EOFError):
        while True:
            connection.send(connection.recv())


@pytest.mark.parametrize("duplex", [True, False])
def test_a_child_gets_its_end(ctx: Any, duplex: bool) -> None:
    receiver, sender = ctx.Pipe(duplex)
    process = ctx.Process(target=sender.send, args=("hello",))
    process.start()
    with receiver, sender:
        assert receiver.recv() == "hello"
        process.join()
        assert process.exitcode == 0


def test_the_end_is_seen_when_a_child_is_killed(ctx: Any) -> None:
    here, there = ctx.Pipe()
    process = ctx.Process(target=echo, args=(there,))
    process.start()
    there.close()
    with here:
        here.send(1)
        assert here.recv() == 1

        process.kill()

        assert here.poll(5)
        with pytest.raises((EOFError, ConnectionResetError)):
            here.recv()
        process.join()


def test_a_connection_is_sent_through_another(ctx: Any) -> None:
    here, there = ctx.Pipe()
    process = ctx.Process(target=echo_over_what_comes, args=(there,))
    process.start()
    there.close()
    first, second = ctx.Pipe()
    with here, first:
        here.send(second)
        second.close()
        first.send("over there")
        assert first.recv() == "over there"
    process.join()
    assert process.exitcode == 0
    stop_sharing()


def echo_over_what_comes(connection: Connection) -> None:
    """In a child: receive a connection and echo on that."""
    with connection.recv() as other:
        echo(other)


def stop_sharing() -> None:
    """End the thread that hands out descriptors."""
    _fd_sharer.stop(timeout=10)


def test_plain_pickle_carries_the_descriptor_too() -> None:
    """A number of a descriptor would mean another file, or none, to the receiver."""
    receiver, sender = Pipe(duplex=False)
    with receiver, sender, pickle.loads(pickle.dumps(sender)) as copy:
        assert copy.fileno() != sender.fileno()
        assert not copy.readable
        copy.send(3)
        assert receiver.recv() == 3
    stop_sharing()
