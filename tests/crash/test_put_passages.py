"""A producer killed at every passage of every point on the way of its messages into a queue.

Idea: a scenario says what is put, in which state of the queue, and which points lie on the way. For
each of these points a child is killed at the first passage, another at the second, and so on, until
one comes through unharmed; after each the queue must hold what was put before, a prefix of
what the killed child put, and what is put afterwards.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from procession import _core
from tests.crash.kills import (
    kill_at_every_passage,
    killed_after_another,
    matching,
    put,
)
from tests.crash.messages import KINDS, Make, drain, identities
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

COMMON = (
    "channel.put.before_write",
    "channel.put.before_commit",
    "channel.put.committed",
    "channel.put.before_unlock",
    "channel.put.before_wake",
)
JOURNAL = ("journal.*",)


@dataclass(frozen=True)
class Scenario:
    """What is put, and where on its way the child is killed."""

    kind: str
    before: int = 2  # messages in the queue already
    during: int = 3  # messages the victim puts
    maxsize: int = 0
    dead_before: str = ""  # a point at which another producer was killed just before,
    dead_passage: int = 1  # and at which passage of it
    points: tuple[str, ...] = COMMON
    passages: int = 60  # at most so many kills at each point

    @property
    def make(self) -> Make:
        """Messages by number."""
        return KINDS[self.kind]


SCENARIOS = {
    "small": Scenario("small", during=6),
    "payload": Scenario("payload", points=(*COMMON, *JOURNAL)),
    "payload_first": Scenario(
        "payload", before=0, points=(*COMMON, *JOURNAL, "segments.add.before_commit")
    ),
    "handles": Scenario(
        "with_handles", points=(*COMMON, *JOURNAL, "payload.add_reference.before_commit")
    ),
    "new_segments": Scenario(
        "long_record",
        during=50,
        points=("segments.add.before_commit", "journal.*", "channel.put.before_commit"),
    ),
    "bounded": Scenario("payload", maxsize=6, points=(*COMMON, *JOURNAL)),
    "after_a_kill_before_the_commit": Scenario(
        "small",
        dead_before="channel.put.before_commit",
        points=("channel.put.repaired", *COMMON),
    ),
    "after_a_kill_behind_the_commit": Scenario(
        "small", dead_before="channel.put.committed", points=("channel.put.repaired", *COMMON)
    ),
    "after_a_kill_in_the_journal": Scenario(
        "payload",
        dead_before="journal.committed",
        dead_passage=2,  # the first is that of the payload's block, the second that of the put()
        points=("arena.repaired", "channel.put.repaired", *COMMON, *JOURNAL),
    ),
    "after_a_kill_while_growing": Scenario(
        "long_record",
        during=6,
        dead_before="segments.add.before_commit",
        points=("arena.repaired", "segments.add.before_commit", *COMMON),
    ),
}


def cases() -> Iterator[Any]:
    for name, scenario in SCENARIOS.items():
        for point in matching(scenario.points):
            yield pytest.param(scenario, point, id=f"{name}-{point}")


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(("scenario", "point"), list(cases()))
def test_a_queue_outlives_a_producer_killed_at_every_passage(
    scenario: Scenario, point: str
) -> None:
    """What a killed producer put is there as far as its put() came; nothing else has changed."""
    kill_at_every_passage(
        lambda passage: put_and_check(scenario, point, passage), scenario.passages
    )


def put_and_check(scenario: Scenario, point: str, passage: int) -> bool:
    """One kill, and what must be so afterwards; whether the child came to be killed."""
    make, queue = scenario.make, _core.Channel(scenario.maxsize)
    before, during = range(scenario.before), range(100, 100 + scenario.during)
    dead, after = range(200, 250), range(300, 302)
    put(queue, make, before)

    killed = killed_after_another(
        armed(point, lambda: put(queue, make, during), passage),
        scenario.dead_before
        and armed(scenario.dead_before, lambda: put(queue, make, dead), scenario.dead_passage),
    )

    if scenario.maxsize:
        after = range(300, 300 + scenario.maxsize - queue.qsize())
    put(queue, make, after)
    found = drain(queue)
    expected = identities(make, before), identities(make, dead), identities(make, during)
    rest = tail_behind(found, *expected, whole=not killed)
    assert rest == identities(make, after)
    return killed


def tail_behind(
    found: list[Any], before: list[Any], dead: list[Any], during: list[Any], *, whole: bool
) -> list[Any]:
    """Take off *found* all of *before*, a prefix of *dead* and a prefix, or all, of *during*."""
    assert found[: len(before)] == before
    rest = without_prefix_of(dead, found[len(before) :])
    behind = without_prefix_of(during, rest)
    assert not whole or len(rest) - len(behind) == len(during)
    return behind


def without_prefix_of(messages: list[Any], found: list[Any]) -> list[Any]:
    """Take off *found* as many of *messages* as it begins with."""
    count = 0
    while count < min(len(messages), len(found)) and found[count] == messages[count]:
        count += 1
    return found[count:]


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
@pytest.mark.parametrize("point", ["event_count.prepared", "event_count.woken", *matching(COMMON)])
def test_a_producer_killed_while_it_waits_for_room_leaves_the_room_to_others(point: str) -> None:
    """A bounded queue that was full goes on; nothing of the waiting message is left behind."""
    with memory_unchanged():
        kill_while_it_waits_for_room(point)


def kill_while_it_waits_for_room(point: str) -> None:
    """Messages 0 and 1 are there, the victim puts number 2, others come behind."""
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
