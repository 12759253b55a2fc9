"""Messages with tags, many at a time: what the traffic of a pool is made of."""

import queue
import threading
from typing import Any

import pytest

from procession import _core
from procession._pickling import core_hooks
from tests.support.kill import memory_unchanged

pytestmark = pytest.mark.bare

core_hooks.give()

WITHIN = 30.0
LARGE = bytes(5000)  # has a block of its own
TAG, EXTRA = 7, 2**64 - 1


class Refused:
    """Cannot be pickled, and says so."""

    def __reduce__(self) -> Any:
        raise TypeError("not this one")


def explode() -> None:
    raise ZeroDivisionError("in a receiver")


class Explosive:
    """Can be pickled, but not rebuilt."""

    def __reduce__(self) -> Any:
        return explode, ()


def received(channel: _core.TaskChannel, limit: int = 10_000) -> list[Any]:
    """Take all that is there, *limit* messages with one call."""
    inbox: list[Any] = []
    while channel.qsize():
        assert 0 < channel.receive_batch(inbox, limit, WITHIN) <= limit
    return inbox


@pytest.mark.parametrize("limit", [1, 7, 10_000])
@pytest.mark.parametrize(
    "items",
    [
        [],
        [None],
        list(range(5000)),
        [LARGE] * 40,
        [LARGE if i % 3 else i for i in range(300)],
        ["x" * (i % 2048) for i in range(500)],
    ],
    ids=["none", "one", "small", "large", "mixed", "sizes"],
)
def test_a_batch_comes_out_as_it_went_in(items: list[Any], limit: int) -> None:
    """In order, numbered one after the other, each with the tags of its batch."""
    held = [_core.Block(1) for _ in range(300)]  # lists that grow here do not grow below
    del held
    with memory_unchanged():
        channel = _core.TaskChannel()
        channel.send("before", 1, 2)

        first, count, error = channel.send_batch(items, TAG, EXTRA)

        assert (count, error) == (len(items), None)
        assert first == (1 if items else 0)
        inbox = received(channel, limit)
        assert inbox.pop(0) == (0, 1, 2, "before", None)
        assert inbox == [(1 + i, TAG, EXTRA, item, None) for i, item in enumerate(items)]
        del inbox, channel


@pytest.mark.parametrize("place", [0, 1, 400, 999])
def test_what_cannot_be_pickled_ends_the_batch_there(place: int) -> None:
    """What was before it is sent; the error is returned, not raised."""
    items: list[Any] = [LARGE if i % 5 == 0 else i for i in range(1000)]
    items[place] = Refused()
    channel = _core.TaskChannel()

    first, count, error = channel.send_batch(items, TAG, 0)

    assert (first, count) == (0, place)
    assert isinstance(error, TypeError)
    assert "not this one" in str(error)
    assert [message[3] for message in received(channel)] == items[:place]


def test_what_cannot_be_rebuilt_is_an_error_in_its_place() -> None:
    """So that the tags still tell whose it was; the others are there."""
    channel = _core.TaskChannel()
    channel.send_batch([1, Explosive(), LARGE, Explosive(), 5], TAG, 3)

    inbox = received(channel)

    assert [message[:3] for message in inbox] == [(i, TAG, 3) for i in range(5)]
    assert [message[3] for message in inbox] == [1, None, LARGE, None, 5]
    kinds = [type(message[4]) for message in inbox]
    assert kinds == [type(None), ZeroDivisionError, type(None), ZeroDivisionError, type(None)]


def test_a_list_that_pickling_changes_harms_nobody() -> None:
    """The batch ends where the list does."""
    items: list[Any] = []

    class Shrinking:
        def __reduce__(self) -> Any:
            del items[2:]
            return int, ()

    items += [1, Shrinking(), 3, 4]
    channel = _core.TaskChannel()

    assert channel.send_batch(items, TAG, 0) == (0, 2, None)

    assert [message[3] for message in received(channel)] == [1, 0]


def test_a_batch_waits_for_room() -> None:
    """In a channel with a bound, the sender goes on as the receiver takes."""
    channel = _core.TaskChannel(10)
    results: list[Any] = []
    sender = threading.Thread(
        target=lambda: results.append(channel.send_batch(list(range(1000)), TAG, 0))
    )
    sender.start()
    inbox: list[Any] = []
    while len(inbox) < 1000:
        channel.receive_batch(inbox, 64, WITHIN)
    sender.join()

    assert results == [(0, 1000, None)]
    assert [message[3] for message in inbox] == list(range(1000))


def test_a_channel_that_was_shut_down_takes_no_batch() -> None:
    """The error is returned as any other; what is there can still be received."""
    channel = _core.TaskChannel()
    channel.send_batch([1, LARGE], TAG, 0)
    channel.shutdown()

    with memory_unchanged():
        first, count, error = channel.send_batch([LARGE, 4], TAG, 0)

    assert (first, count, type(error).__name__) == (0, 0, "ShutDown")
    inbox: list[Any] = []
    assert channel.receive_batch(inbox, 10, WITHIN) == 2
    with pytest.raises(type(error)):
        channel.receive_batch(inbox, 10, WITHIN)


def test_nothing_in_time_is_empty() -> None:
    """As `get` has it, and the inbox is as it was."""
    channel = _core.TaskChannel()
    inbox: list[Any] = ["old"]

    for timeout in (0, 0.01):
        with pytest.raises(queue.Empty):
            channel.receive_batch(inbox, 10, timeout)

    channel.send(1, TAG, 0)
    assert channel.receive_batch(inbox, 10, 0) == 1
    assert inbox == ["old", (0, TAG, 0, 1, None)]
