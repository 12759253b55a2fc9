"""The user's queues, bounded and with queues in the messages, under each start method."""

import signal
from typing import Any

import pytest

from tests.crash.kills import matching, put
from tests.crash.messages import KINDS, drain, identities, identity
from tests.support.crash import kill_child_at
from tests.support.kill import WITHIN, memory_unchanged

BOUND = 4
PUT_POINTS = matching(("channel.put.*", "payload.add_reference.*"))
GET_POINTS = matching(("channel.get.*", "handle.release.*"))
REPAIRS = {"channel.put.repaired", "channel.get.repaired"}  # see the scenarios of the passages


def put_kind(queue: Any, kind: str, number: int) -> None:
    """In the child: put one message."""
    put(queue, KINDS[kind], [number])


def get_kind(queue: Any) -> None:
    """In the child: receive one message and release it."""
    identity(queue.get(timeout=WITHIN))


def kinds_and_points(points: list[str], only_of_handles: str) -> list[tuple[str, str]]:
    """Each point with each kind of message that passes it."""
    small = [name for name in points if not name.startswith(only_of_handles)]
    pairs = [("small", name) for name in small] + [("with_handles", name) for name in points]
    return [(kind, name) for kind, name in pairs if name not in REPAIRS]


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(("kind", "point"), kinds_and_points(PUT_POINTS, "payload"))
def test_a_bounded_queue_outlives_a_producer(ctx: Any, kind: str, point: str) -> None:
    """The message of the killed put() is there or not; the queue's room is the same as before."""
    with memory_unchanged():
        check_a_killed_put(ctx, kind, point)


def check_a_killed_put(ctx: Any, kind: str, point: str) -> None:
    """Kill once and check."""
    queue, make = ctx.Queue(BOUND), KINDS[kind]
    put(queue, make, [0])

    assert kill_child_at(ctx, point, put_kind, (queue, kind, 1)) == -signal.SIGKILL

    there = queue.qsize()
    put(queue, make, range(2, 2 + BOUND - there))
    assert queue.full()
    found = drain(queue)
    assert found == identities(make, [0, 1, 2, 3] if there == 2 else [0, 2, 3, 4])


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(("kind", "point"), kinds_and_points(GET_POINTS, "handle"))
def test_a_bounded_queue_outlives_a_consumer(ctx: Any, kind: str, point: str) -> None:
    """One message at most is gone; the queue's room is the same as before."""
    with memory_unchanged():
        check_a_killed_get(ctx, kind, point)


def check_a_killed_get(ctx: Any, kind: str, point: str) -> None:
    """Kill once and check."""
    queue, make = ctx.Queue(BOUND), KINDS[kind]
    put(queue, make, range(BOUND))

    assert kill_child_at(ctx, point, get_kind, (queue,)) == -signal.SIGKILL

    gone = BOUND - queue.qsize()
    put(queue, make, range(BOUND, BOUND + gone))
    assert queue.full()
    assert gone <= 1
    assert drain(queue) == identities(make, range(gone, BOUND + gone))
