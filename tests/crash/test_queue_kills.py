"""Queues and the processes that are killed in the middle of ``put`` and ``get``.

The points of the put side and of the get side are read from the core's sources; those of the
journal are passed by messages too large for the record itself, those of payloads by messages that
carry other shared objects.
"""

import queue as standard_queue
import signal
from typing import Any

import pytest

import procession
from procession import _core
from tests.support.crash import crash_points, kill_child_at

SMALL = "small"
LARGE = b"large" * 20_000  # bytes that go into a block of their own


def points(*prefixes: str) -> list[str]:
    """Return the points with these prefixes, less those that only a successor's repair passes."""
    found = [name for prefix in prefixes for name in crash_points(prefix)]
    return [name for name in found if not name.endswith(".repaired")]


PUT_POINTS = points("channel.put.", "journal.")
GET_POINTS = points("channel.get.", "journal.")


def drain(queue: Any) -> list[Any]:
    """Return what is in the queue, in order."""
    items: list[Any] = []
    while True:
        try:
            items.append(queue.get(timeout=0))
        except standard_queue.Empty:
            return items


@pytest.mark.parametrize("point", PUT_POINTS)
def test_a_queue_outlives_a_producer_killed_anywhere(ctx: Any, point: str) -> None:
    """A killed put() is whole or absent; what was put before and after it is intact."""
    queue = ctx.Queue()
    queue.put("before")

    exitcode = kill_child_at(ctx, point, target=queue.put, args=(LARGE,))

    assert exitcode == -signal.SIGKILL
    queue.put("after")
    assert drain(queue) in (["before", "after"], ["before", LARGE, "after"])


@pytest.mark.parametrize("point", GET_POINTS)
def test_a_queue_outlives_a_consumer_killed_anywhere(ctx: Any, point: str) -> None:
    """A killed get() has taken one message or none; the others are there, whole and in order."""
    queue = ctx.Queue()
    for message in (LARGE, "second", "third"):
        queue.put(message)

    exitcode = kill_child_at(ctx, point, target=queue.get)

    assert exitcode == -signal.SIGKILL
    queue.put("after")
    assert drain(queue) in (
        [LARGE, "second", "third", "after"],
        ["second", "third", "after"],
    )


@pytest.mark.parametrize("point", crash_points("channel.put.before_commit"))
def test_small_messages_of_a_killed_producer_leave_nothing(ctx: Any, point: str) -> None:
    """The same for a message that lies in the record itself."""
    queue = ctx.Queue()

    exitcode = kill_child_at(ctx, point, target=queue.put, args=(SMALL,))

    assert exitcode == -signal.SIGKILL
    assert drain(queue) == []


@pytest.mark.parametrize("point", points("payload.", *PUT_POINTS))
def test_a_queue_in_a_message_outlives_its_sender_killed_anywhere(ctx: Any, point: str) -> None:
    """A shared object that was under way belongs to the message, or still to those who had it."""
    queue, cargo = ctx.Queue(), ctx.SimpleQueue()
    cargo.put("inside")

    exitcode = kill_child_at(ctx, point, target=queue.put, args=([cargo, LARGE],))

    assert exitcode == -signal.SIGKILL
    for received, large in drain(queue):
        assert large == LARGE
        received.put("through the copy")
        cargo.get()
    assert cargo.get() in ("inside", "through the copy")


@pytest.mark.parametrize("passage", [1, 20, 400])
def test_messages_of_a_killed_producer_are_a_prefix_of_what_it_put(ctx: Any, passage: int) -> None:
    """Killed at the n-th put: the n - 1 before are there, in order, over any number of segments."""
    queue = ctx.Queue()

    exitcode = kill_child_at(
        ctx, "channel.put.before_commit", put_numbers, (queue, 1000), passage=passage
    )

    assert exitcode == -signal.SIGKILL
    assert drain(queue) == [number_message(n) for n in range(passage - 1)]


@pytest.mark.parametrize("point", sorted({*PUT_POINTS, *GET_POINTS}))
def test_kills_do_not_make_the_arena_grow(point: str) -> None:
    """What a killed process held is reclaimed: forty kills leave no more in use than ten."""
    kill_ten(point)
    used = _core.arena_usage()["used"]

    for _ in range(3):
        kill_ten(point)

    assert _core.arena_usage()["used"] <= used


def kill_ten(point: str) -> None:
    """Kill ten children in turn that use one queue, and give the queue up."""
    ctx = procession.get_context("fork")
    queue = ctx.Queue()
    for _ in range(10):
        queue.put(LARGE)
        assert kill_child_at(ctx, point, target=put_and_get, args=(queue,)) == -signal.SIGKILL
        drain(queue)
    del queue
    _core.reap()


def put_and_get(queue: Any) -> None:
    """Pass the points of both sides."""
    queue.put(LARGE)
    queue.get()


def put_numbers(queue: Any, count: int) -> None:
    """Put *count* messages that can be told apart, of varying size."""
    for number in range(count):
        queue.put(number_message(number))


def number_message(number: int) -> str:
    """Return the *number*-th message."""
    return f"{number}:" + "x" * (number * 7 % 900)
