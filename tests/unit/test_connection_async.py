"""Receiving on an event loop."""

import asyncio
import contextlib
import os
import pickle
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from procession.connection import Connection, Pipe, _framing  # type: ignore[attr-defined]

pytestmark = pytest.mark.bare

Ends = tuple[Connection, Connection]


@pytest.fixture(params=[True, False], ids=["duplex", "one-way"])
def ends(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """The receiving and the sending end of each kind of pipe."""
    receiver, sender = Pipe(request.param)
    with receiver, sender:
        yield receiver, sender


def on_a_loop(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run the coroutine that *work* makes; no reader may be left on the loop."""

    async def run() -> Any:
        result = await asyncio.wait_for(work(), 20)
        # Only the loop's own: its wake-up pipe.
        assert len(asyncio.get_running_loop()._selector.get_map()) == 1  # type: ignore[attr-defined]
        return result

    return asyncio.run(run())


async def waiting(connection: Connection) -> "asyncio.Task[Any]":
    """A task that is inside of `arecv`."""
    task = asyncio.ensure_future(connection.arecv())
    while connection._waiter is None:
        await asyncio.sleep(0)
    return task


async def cancelled(task: "asyncio.Task[Any]") -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()


@pytest.mark.parametrize("size", [0, 1, 50_000, 3_000_000])
def test_what_is_sent_is_received(ends: Ends, size: int) -> None:
    receiver, sender = ends
    message = {"text": "x" * size}
    thread = threading.Thread(target=lambda: (sender.send(message), sender.send("next")))
    thread.start()

    async def work() -> Any:
        return await receiver.arecv(), await receiver.arecv()

    assert on_a_loop(work) == (message, "next")
    thread.join()


def test_the_loop_goes_on_while_a_task_waits(ends: Ends) -> None:
    """No other process sends: the message comes from the same loop."""
    receiver, sender = ends

    async def work() -> Any:
        task = await waiting(receiver)
        sender.send("from another task")
        return await task

    assert on_a_loop(work) == "from another task"


def test_the_loop_goes_on_within_a_large_message(ends: Ends) -> None:
    receiver, sender = ends
    thread = threading.Thread(target=sender.send_bytes, args=(pickle.dumps(bytes(40_000_000)),))

    async def work() -> Any:
        task = await waiting(receiver)
        thread.start()
        turns = 0
        while not task.done():
            turns += 1
            await asyncio.sleep(0)
        return len(await task), turns

    size, turns = on_a_loop(work)
    thread.join()
    assert size == 40_000_000
    assert turns >= 30


def test_a_cancelled_receive_loses_no_message(ends: Ends) -> None:
    receiver, sender = ends

    async def work() -> Any:
        await cancelled(await waiting(receiver))
        sender.send(1)
        return await receiver.arecv()

    assert on_a_loop(work) == 1


HEADER_LONG = b"\xff\xff\xff\xff" + (9).to_bytes(8, "big")


@pytest.mark.parametrize("header", [(9).to_bytes(4, "big"), HEADER_LONG], ids=["short", "long"])
@pytest.mark.parametrize("again", ["arecv", "recv"])
def test_cancelled_within_a_message_it_is_received_by_the_next(
    ends: Ends, header: bytes, again: str
) -> None:
    receiver, sender = ends
    frame = header + pickle.dumps(1234, 2)[:9].ljust(9, b".")
    assert pickle.loads(frame[len(header) :]) == 1234

    async def cut_at(place: int) -> Any:
        os.write(sender.fileno(), frame[:place])
        task = asyncio.ensure_future(receiver.arecv())
        await asyncio.sleep(0)
        while receiver.poll() or (not task.done() and receiver._waiter is None):
            await asyncio.sleep(0)
        await cancelled(task)
        os.write(sender.fileno(), frame[place:])
        return await receiver.arecv() if again == "arecv" else receiver.recv()

    for place in range(1, len(frame)):
        assert on_a_loop(lambda place=place: cut_at(place)) == 1234  # type: ignore[misc]
    assert not receiver.poll()
    sender.send("in step")
    assert receiver.recv() == "in step"


def test_random_cancellations_lose_and_double_nothing(ends: Ends) -> None:
    receiver, sender = ends
    count = 150
    messages = [bytes([number % 256]) * (number * number % 90_000) for number in range(count)]
    thread = threading.Thread(target=lambda: [sender.send(each) for each in messages])

    async def work() -> Any:
        thread.start()
        received: list[bytes] = []
        vain = 0
        while len(received) < count:
            task = asyncio.ensure_future(receiver.arecv())
            for _ in range((len(received) + vain) % 4):
                await asyncio.sleep(0)
            if not task.done():
                vain += 1
                task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                received.append(await task)
        return received, vain

    received, vain = on_a_loop(work)
    thread.join()
    assert received == messages
    assert vain > 10


def test_the_end_of_the_stream(ends: Ends) -> None:
    receiver, sender = ends

    async def work() -> None:
        task = await waiting(receiver)
        sender.close()
        for _ in range(2):
            with pytest.raises(EOFError):
                await task
            task = asyncio.ensure_future(receiver.arecv())
        with pytest.raises(EOFError):
            await task

    on_a_loop(work)


def test_the_end_within_a_message_is_an_error_of_its_own(ends: Ends) -> None:
    receiver, sender = ends

    async def work() -> None:
        task = await waiting(receiver)
        os.write(sender.fileno(), b"\0\0\0\7only")
        sender.close()
        with pytest.raises(OSError, match="end of file during message"):
            await task

    on_a_loop(work)


@pytest.mark.parametrize("header", [b"\xff\xff\xff\xfe", b"\xff\xff\xff\xff" + b"\xff" * 8])
def test_an_impossible_length_is_refused(ends: Ends, header: bytes) -> None:
    receiver, sender = ends
    os.write(sender.fileno(), header)
    with pytest.raises(OSError, match="bad message length"):
        on_a_loop(receiver.arecv)


def test_two_tasks_do_not_wait_for_one_connection(ends: Ends) -> None:
    receiver, sender = ends

    async def work() -> Any:
        task = await waiting(receiver)
        with pytest.raises(RuntimeError, match="another task"):
            await receiver.arecv()
        sender.send(2)
        return await task

    assert on_a_loop(work) == 2


def test_closing_ends_the_wait(ends: Ends) -> None:
    receiver, _ = ends

    async def work() -> None:
        task = await waiting(receiver)
        receiver.close()
        with pytest.raises(OSError, match="handle is closed"):
            await task

    on_a_loop(work)
    with pytest.raises(OSError, match="handle is closed"):
        on_a_loop(receiver.arecv)


def test_a_closed_end_within_a_message_stays_closed(ends: Ends) -> None:
    receiver, sender = ends

    async def work() -> None:
        os.write(sender.fileno(), b"\0\0\0\7only")
        task = await waiting(receiver)
        receiver.close()
        with pytest.raises(OSError, match="handle is closed"):
            await task

    on_a_loop(work)
    with pytest.raises(OSError, match="handle is closed"):
        receiver.recv()


def test_in_the_middle_of_a_message_a_connection_cannot_be_sent(ends: Ends) -> None:
    receiver, sender = ends

    async def work() -> None:
        os.write(sender.fileno(), b"\0\0\0\7only")
        await cancelled(await waiting(receiver))

    on_a_loop(work)
    with pytest.raises(OSError, match="in the middle of a message"):
        pickle.dumps(receiver)
    if sender.readable:  # the other direction is not concerned
        receiver.send(3)
        assert sender.recv() == 3


def test_the_write_end_receives_nothing() -> None:
    receiver, sender = Pipe(duplex=False)
    with receiver, sender, pytest.raises(OSError, match="write-only"):
        on_a_loop(sender.arecv)


def echo(connection: Connection) -> None:
    """In a child: send back what comes, until that is None."""
    while (message := connection.recv()) is not None:
        connection.send(message)


@pytest.mark.usefixtures("family")
def test_many_connections_on_one_loop(ctx: Any) -> None:
    pairs = [ctx.Pipe() for _ in range(3)]
    children = [ctx.Process(target=echo, args=(there,)) for _, there in pairs]
    for child, (_, there) in zip(children, pairs, strict=True):
        child.start()
        there.close()

    async def talk(here: Connection, name: int) -> float:
        for number in range(50):
            here.send((name, number))
            assert await here.arecv() == (name, number)
        return time.monotonic()

    async def work() -> Any:
        return await asyncio.gather(*(talk(here, name) for name, (here, _) in enumerate(pairs)))

    assert len(on_a_loop(work)) == 3
    for here, _ in pairs:
        here.send(None)  # a forked child has copies of all these ends, so none of them would end
        here.close()
    for child in children:
        child.join(20)
        assert child.exitcode == 0


assert _framing.LONG_HEADER.size == len(HEADER_LONG)
