"""What a forked child keeps of its parent's connections: what it can reach, and nothing else."""

import functools
import os
import signal
import time
from collections.abc import Callable
from typing import Any

import pytest

import procession
from procession.connection import Connection, Pipe

FORK = procession.get_context("fork")
AT_ONCE = 30.0  # seconds that a poll may take: the machine may be busy; the claim is that it ends


class Stay:
    """A child that keeps running, whatever it inherits, until the end of the `with`."""

    def __init__(self, target: Any = time.sleep, args: tuple[Any, ...] = (60,)):
        self.process = FORK.Process(target=target, args=args)

    def __enter__(self) -> "Stay":
        self.process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.join()
        self.process.close()


def hold(*held: Any) -> None:
    """In a child: have *held*, and say so to the first of them."""
    held[0].send("holding")
    time.sleep(60)


def assert_ended(reader: Connection) -> None:
    assert reader.poll(AT_ONCE), "the end of the stream is hidden by somebody"
    with pytest.raises((EOFError, ConnectionResetError)):
        reader.recv()


@pytest.mark.parametrize("duplex", [True, False])
def test_a_sibling_does_not_hide_the_death_of_a_peer(duplex: bool) -> None:
    """Within 100 ms; the time is measured where the machine is idle, here only that it ends."""
    reader, writer = Pipe(duplex)
    with Stay(hold, (writer,)) as peer, Stay() as sibling:
        writer.close()
        assert reader.recv() == "holding"

        os.kill(peer.process.pid, signal.SIGKILL)

        assert_ended(reader)
        assert sibling.process.is_alive()
    reader.close()


def test_a_sibling_does_not_hide_that_a_peer_has_closed() -> None:
    reader, writer = Pipe(duplex=False)
    with Stay():
        writer.close()
        assert_ended(reader)
    reader.close()


def test_children_of_a_loop_over_pipes_do_not_hold_one_anothers() -> None:
    """All pipes and all processes are in lists before the first of them starts."""
    pipes = [Pipe() for _ in range(3)]
    children = [FORK.Process(target=hold, args=(there,)) for _, there in pipes]
    for child in children:
        child.start()
    for _, there in pipes:
        there.close()
    for here, _ in pipes:
        assert here.recv() == "holding"

    for child, (here, _) in zip(children, pipes, strict=True):
        child.kill()
        assert_ended(here)
        here.close()
        child.join()


def test_children_started_while_iterating_over_both() -> None:
    pipes = {name: Pipe() for name in "abc"}
    children = {name: FORK.Process(target=hold, args=(pipes[name][1],)) for name in pipes}
    for (_, child), (_, there) in zip(children.items(), pipes.values(), strict=True):
        child.start()
        there.close()

    for name, child in children.items():
        here = pipes[name][0]
        assert here.recv() == "holding"
        child.kill()
        assert_ended(here)
        here.close()
        child.join()


def test_with_blocks_around_a_start_hide_nothing() -> None:
    reader, writer = Pipe(duplex=False)
    with reader, writer, Stay():
        writer.close()
        assert_ended(reader)


def send_for_ever(writer: Connection) -> None:
    while True:
        writer.send_bytes(bytes(1000))


def test_a_writer_learns_that_its_reader_is_gone() -> None:
    reader, writer = Pipe()
    with writer, Stay():
        reader.close()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            send_for_ever(writer)


# ------------------------------------------------------------------ what the child can reach stays


class Holder:
    """Somewhere to keep a connection."""

    def __init__(self, connection: Connection):
        self.connection = connection

    def run(self) -> None:
        """In a child: use it."""
        self.connection.send("sent")

    def handle(self, *_: object) -> None:
        """In a child: use it when a signal comes."""
        self.run()


a_global: Any = None
a_container: list[Any] = []
a_deep_one: dict[str, Any] = {}


def use_the_global() -> None:
    """In a child: use what is in a module."""
    (a_global or a_container[0] if not a_deep_one else a_deep_one["x"][0].connection).send("sent")


def as_argument(writer: Connection) -> Any:
    return FORK.Process(target=Holder.run, args=(Holder(writer),))


def as_keyword(writer: Connection) -> Any:
    return FORK.Process(
        target=lambda *, kept: kept["in"][0].send("sent"), kwargs={"kept": {"in": [writer]}}
    )


def as_bound_method(writer: Connection) -> Any:
    return FORK.Process(target=Holder(writer).run)


def as_closure(writer: Connection) -> Any:
    return FORK.Process(target=lambda: writer.send("sent"))


def as_default(writer: Connection) -> Any:
    def run(kept: Connection = writer) -> None:
        kept.send("sent")

    return FORK.Process(target=run)


def as_attribute_of_the_process(writer: Connection) -> Any:
    class Own(FORK.Process):  # type: ignore[name-defined, misc]
        def run(self) -> None:
            self.kept.send("sent")

    process = Own()
    process.kept = writer
    return process


def as_generator(writer: Connection) -> Any:
    def generate() -> Any:
        kept = writer
        yield
        kept.send("sent")

    generator = generate()
    next(generator)
    return FORK.Process(target=next, args=(generator, None))


def as_iterator(writer: Connection) -> Any:
    iterator = iter([writer])
    return FORK.Process(target=lambda: next(iterator).send("sent"))


def as_iterator_in_a_tuple(writer: Connection) -> Any:
    global a_global
    a_global = functools.partial(lambda iterator: next(iterator), iter([writer]))
    return FORK.Process(target=lambda: a_global().send("sent"))


def as_iterator_in_an_object(writer: Connection) -> Any:
    global a_global
    a_global = HoldsAnIterator(iter([writer]))
    return FORK.Process(target=use_the_global)


class HoldsAnIterator:
    """Sends by what its iterator gives."""

    def __init__(self, iterator: Any):
        self.iterator = iterator

    def send(self, message: str) -> None:
        """Send it."""
        next(self.iterator).send(message)


def as_global(writer: Connection) -> Any:
    global a_global
    a_global = writer
    return FORK.Process(target=use_the_global)


def as_global_bound_method(writer: Connection) -> Any:
    a_container.append(Holder(writer).connection)
    return FORK.Process(target=use_the_global)


def as_part_of_a_global(writer: Connection) -> Any:
    a_deep_one["x"] = (Holder(writer),)
    return FORK.Process(target=use_the_global)


def as_class_attribute(writer: Connection) -> Any:
    class Kept:
        connection = writer

    return FORK.Process(target=lambda: Kept.connection.send("sent"))


def as_signal_handler(writer: Connection) -> Any:
    signal.signal(signal.SIGUSR1, lambda *_: writer.send("sent"))
    return FORK.Process(target=lambda: os.kill(os.getpid(), signal.SIGUSR1))


def as_signal_handling_method(writer: Connection) -> Any:
    signal.signal(signal.SIGUSR1, Holder(writer).handle)
    return FORK.Process(target=lambda: os.kill(os.getpid(), signal.SIGUSR1))


def as_its_own_variable(writer: Connection) -> Any:
    """The frame that starts the child has it as well, in each way a frame can."""
    kept = [writer, (writer, {"also": writer})]
    process = FORK.Process(target=lambda kept: kept[1][1]["also"].send("sent"), args=(kept,))
    for _ in zip(kept, enumerate(kept), strict=True):
        break
    return process


WAYS = [each for name, each in list(globals().items()) if name.startswith("as_")]


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.__name__)
@pytest.mark.parametrize("duplex", [True, False])
def test_what_a_child_can_reach_stays_open_in_it(
    way: Callable[[Connection], Any], duplex: bool
) -> None:
    global a_global
    before = signal.getsignal(signal.SIGUSR1)
    reader, writer = Pipe(duplex)
    try:
        process = way(writer)
        process.start()
        writer.close()
        assert reader.recv() == "sent"
        process.join()
        assert process.exitcode == 0
    finally:
        signal.signal(signal.SIGUSR1, before)
        a_global = None
        a_container.clear()
        a_deep_one.clear()
        reader.close()


def test_a_plain_fork_keeps_everything() -> None:
    """The child of os.fork() goes on in its parent's frames."""
    reader, writer = Pipe(duplex=False)
    pid = os.fork()
    if pid == 0:
        writer.send("sent")
        os._exit(0)
    writer.close()
    assert reader.recv() == "sent"
    os.waitpid(pid, 0)
    reader.close()
