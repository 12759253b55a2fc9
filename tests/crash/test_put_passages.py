"""A producer killed at every passage of every point on the way of its messages into a queue.

Idea: a scenario says what is put, in which state of the queue, and which points lie on the way. For
each of these points a child is killed at the first passage, another at the second, and so on, until
one comes through unharmed; after each the queue must hold what was put before, a prefix of
what the killed child put, and what is put afterwards.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import pytest

from procession import _core
from tests.crash.messages import KINDS, Make, drain, identities, identity
from tests.support.crash import crash_points
from tests.support.kill import WITHIN, Child, armed, arrived, child, is_asleep, killed_at, memory_in_use
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
    dead_before: str = ""  # a point at which another producer was killed just before
    points: tuple[str, ...] = COMMON
    passages: int = 60  # at most so many kills at each point

    @property
    def make(self) -> Make:
        """Messages by number."""
        return KINDS[self.kind]


SCENARIOS = {
    "small": Scenario("small", during=6),
    "payload": Scenario("payload", points=(*COMMON, *JOURNAL, "segments.add.before_commit")),
    "handles": Scenario("with_handles", points=(*COMMON, *JOURNAL, "payload.take.before_commit")),
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
        points=("arena.repaired", "channel.put.repaired", *COMMON, *JOURNAL),
    ),
    "after_a_kill_while_growing": Scenario(
        "long_record",
        during=6,
        dead_before="segments.add.before_commit",
        points=("arena.repaired", "segments.add.before_commit", *COMMON),
    ),
}


def matching(patterns: tuple[str, ...]) -> list[str]:
    """All crash points that match; each pattern matches one at least."""
    names = crash_points("")
    for pattern in patterns:
        assert any(fnmatchcase(name, pattern) for name in names), pattern
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def cases() -> Iterator[Any]:
    for name, scenario in SCENARIOS.items():
        for point in matching(scenario.points):
            yield pytest.param(scenario, point, id=f"{name}-{point}")


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(("scenario", "point"), cases())
def test_a_queue_outlives_a_producer_killed_at_every_passage(
    scenario: Scenario, point: str
) -> None:
    """What a killed producer put is there as far as its put() came, and nothing else has changed."""
    kills = 0
    while kills < scenario.passages and put_and_check(scenario, point, kills + 1):
        kills += 1

    assert kills > 0, f"no put() of this scenario passes {point}"


def put_and_check(scenario: Scenario, point: str, passage: int) -> bool:
    """One kill, and what must be so afterwards; whether the child came to be killed."""
    make, first = scenario.make, scenario.before
    last = first + scenario.during
    queue = _core.Channel(scenario.maxsize)
    put(queue, make, 0, first)
    if scenario.dead_before:
        assert killed_at(scenario.dead_before, lambda: put(queue, make, 1000, 1050))
        moved = drain(queue)  # the other's messages are not the matter here
        put(queue, make, 0, first)
        assert moved[:first] == identities(make, range(first))
        assert killed_at(scenario.dead_before, lambda: put(queue, make, 1000, 1050)) or moved
        first, last = queue.qsize(), queue.qsize() + scenario.during
        rest = drain(queue)
        put_all = rest
    return False


def put(queue: Any, make: Make, start: int, stop: int) -> None:
    """Put the messages *start* to *stop* - 1."""
    for number in range(start, stop):
        queue.put(make(number), timeout=WITHIN)
