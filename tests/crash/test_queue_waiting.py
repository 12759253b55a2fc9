"""Kills while somebody waits: for a message, for room, or for queues beside descriptors."""

import signal
from typing import Any

import pytest

import procession
from procession import _core
from procession.connection import wait
from tests.crash.kills import matching, put
from tests.crash.messages import KINDS, drain, identities
from tests.crash.test_queue_passages import GET, PUT, without_prefix_of
from tests.support.crash import crash_points, kill_child_at
from tests.support.kill import (
    WITHIN,
    Child,
    armed,
    arrived,
    child,
    has_ended,
    is_asleep,
    killed_at,
    memory_unchanged,
)
from tests.support.waiting import wait_until


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(
    "point", ["channel.put.committed", "channel.put.before_wake", "event_count.before_wake"]
)
@pytest.mark.parametrize("kind", ["small", "payload"])
def test_a_consumer_gets_what_a_producer_put_that_died_before_it_could_wake_it(
    kind: str, point: str
) -> None:
    """The wake-up that was never sent costs the sleeper less than a second."""
    queue, answer, make = _core.Channel(), _core.Channel(), KINDS[kind]

    with child(lambda: answer.put(queue.get(timeout=2 * WITHIN))) as sleeper:
        wait_until(lambda: is_asleep(sleeper.pid), message="the consumer is asleep")
        assert killed_at(point, lambda: queue.put(make(1)))

        assert answer.get(timeout=WITHIN) == make(1)
        assert sleeper.wait() == 0


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("point", ["event_count.prepared", "event_count.woken", *matching(PUT)])
def test_a_producer_killed_while_it_waits_for_room_leaves_the_room_to_others(point: str) -> None:
    """A bounded queue that was full goes on; nothing of the waiting message is left behind."""
    with memory_unchanged():
        kill_while_it_waits_for_room(point)


def kill_while_it_waits_for_room(point: str) -> None:
    """Messages 0 and 1 are there, the killed process puts number 2, others come behind."""
    queue, make, found = _core.Channel(2), KINDS["payload"], list[Any]()
    put(queue, make, range(2))
    waiting = Child(armed(point, lambda: queue.put(make(2))))
    wait_until(lambda: is_asleep(waiting.pid) or has_ended(waiting.pid))
    if is_asleep(waiting.pid):
        found.append(queue.get())

    assert arrived(waiting, point)

    after = range(3, 5 - queue.qsize())
    put(queue, make, after)
    found += drain(queue)
    assert found[:2] == identities(make, range(2))
    assert without_prefix_of(identities(make, [2]), found[2:]) == identities(make, after)


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("point", ["event_count.prepared", "event_count.woken", *matching(GET)])
@pytest.mark.parametrize("kind", ["small", "payload"])
def test_a_consumer_killed_while_it_waits_swallows_no_wake_up(kind: str, point: str) -> None:
    """Two wait, one of them is killed: the other gets what comes, within the second."""
    queue, answers, make = _core.Channel(), _core.Channel(), KINDS[kind]
    with child(lambda: forward(queue, answers)):
        dying, number = Child(armed(point, lambda: forward(queue, _core.Channel()))), 0
        while not has_ended(dying.pid):
            wait_until(lambda: is_asleep(dying.pid) or has_ended(dying.pid))
            queue.put(make(number))
            wait_until(queue.empty, WITHIN, "a waiting consumer takes the message")
            number += 1

        assert arrived(dying, point)
        put(queue, make, range(number, number + 3))
        found = [answers.get(timeout=WITHIN)]
        while found[-1] != make(number + 2):
            found.append(answers.get(timeout=WITHIN))
    places = [[make(n) for n in range(number + 3)].index(message) for message in found]
    assert places == sorted(set(places))
    assert places[-3:] == [number, number + 1, number + 2]


def forward(queue: Any, answers: Any) -> None:
    """Take messages and pass them on, for ever."""
    while True:
        answers.put(queue.get())


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(
    "point", ["channel.get.committed", "channel.get.before_unlock", "event_count.before_wake"]
)
@pytest.mark.parametrize("kind", ["small", "payload"])
def test_a_producer_finds_the_room_that_a_killed_consumer_made(kind: str, point: str) -> None:
    """The wake-up that was never sent costs the sleeper less than a second."""
    queue, make = _core.Channel(1), KINDS[kind]
    queue.put(make(0))

    with child(lambda: queue.put(make(1), timeout=2 * WITHIN)) as sleeper:
        wait_until(lambda: is_asleep(sleeper.pid), message="the producer is asleep")
        assert killed_at(point, queue.get)

        assert sleeper.wait(WITHIN) == 0
    assert drain(queue) == [make(1)]


@pytest.mark.parametrize("point", crash_points("waker."))
def test_a_waiter_killed_anywhere_keeps_no_place_and_no_item(ctx: Any, point: str) -> None:
    """Its place on the board is free again; others that wait are still told."""
    queue = ctx.Queue()

    exitcode = kill_child_at(ctx, point, _wait_and_ring, (queue,))

    assert exitcode == -signal.SIGKILL
    procession._core.reclaim_dead()
    assert procession._core.arena_usage()["wakers"] == 0
    if queue.empty():
        queue.put("item")
    assert wait([queue], timeout=WITHIN) == [queue]
    assert queue.get() in ("item", "rung")


def _wait_and_ring(queue: Any) -> None:
    """Pass all points of the board: the descriptor of a queue is armed, then rung."""
    assert queue.ready_fd() >= 0
    queue.put("rung")


def test_a_ring_that_was_lost_with_its_ringer_costs_a_slice(ctx: Any) -> None:
    """The item is committed, its putter killed before it could ring: the waiter finds it."""
    queue = ctx.Queue()
    there = ctx.Queue()
    waiter = ctx.Process(target=_report_wait, args=(queue, there))
    waiter.start()
    assert there.get(timeout=20) == "waiting"

    kill_child_at(ctx, "waker.before_send", queue.put, ("item",))

    assert there.get(timeout=20) is True
    waiter.join()


def _report_wait(queue: Any, there: Any) -> None:
    there.put("waiting")
    there.put(wait([queue], timeout=20) == [queue])
