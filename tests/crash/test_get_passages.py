"""A consumer killed at every passage of every point on its way to its messages.

Idea: as for producers (test_put_passages.py). What the killed child had got
completely it reports by a tally; one message more may be gone with it, the one it was just taking.
All others are in the queue, whole and in order.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from procession import _core
from tests.crash.kills import kill_at_every_passage, killed_after_another, matching, put
from tests.crash.messages import KINDS, Make, drain, identities, identity
from tests.support.kill import (
    WITHIN,
    Child,
    Tally,
    armed,
    arrived,
    child,
    has_ended,
    is_asleep,
    killed_at,
)
from tests.support.waiting import wait_until

COMMON = (
    "channel.get.before_claim",
    "channel.get.before_commit",
    "channel.get.committed",
    "channel.get.before_unlock",
)
OF_BLOCKS = ("journal.*", "handle.release.*")


@dataclass(frozen=True)
class Scenario:
    """What lies in the queue, and where on the way to it the child is killed."""

    kind: str
    count: int = 5  # messages in the queue
    taken: int = 3  # messages that the victim takes
    maxsize: int = 0
    dead_before: str = ""  # a point at which another consumer was killed just before,
    dead_passage: int = 1  # and at which passage of it
    points: tuple[str, ...] = COMMON
    passages: int = 60  # at most so many kills at each point

    @property
    def make(self) -> Make:
        """Messages by number."""
        return KINDS[self.kind]


SCENARIOS = {
    "small": Scenario("small"),
    "payload": Scenario("payload", points=(*COMMON, *OF_BLOCKS)),
    "handles": Scenario("with_handles", points=(*COMMON, *OF_BLOCKS)),
    "old_segments": Scenario(
        "long_record",
        count=60,
        taken=50,
        points=("segments.skip.before_commit", "journal.*", *COMMON),
    ),
    "bounded": Scenario("payload", maxsize=7, points=(*COMMON, *OF_BLOCKS)),
    "after_a_kill_before_the_commit": Scenario(
        "small",
        dead_before="channel.get.before_commit",
        points=("channel.get.repaired", *COMMON),
    ),
    "after_a_kill_behind_the_commit": Scenario(
        "small", dead_before="channel.get.committed", points=("channel.get.repaired", *COMMON)
    ),
    "after_a_kill_in_the_journal": Scenario(
        "payload",
        dead_before="journal.committed",
        points=("arena.repaired", "channel.get.repaired", *COMMON, *OF_BLOCKS),
    ),
    "after_a_kill_between_segments": Scenario(
        "long_record",
        count=8,
        dead_before="segments.skip.before_commit",
        points=("arena.repaired", "channel.get.repaired", "segments.skip.before_commit", *COMMON),
    ),
}


def cases() -> Iterator[Any]:
    for name, scenario in SCENARIOS.items():
        for point in matching(scenario.points):
            yield pytest.param(scenario, point, id=f"{name}-{point}")


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(("scenario", "point"), list(cases()))
def test_a_queue_outlives_a_consumer_killed_at_every_passage(
    scenario: Scenario, point: str
) -> None:
    """A killed consumer has taken what it got, and at most the one message it was taking."""
    kill_at_every_passage(
        lambda passage: get_and_check(scenario, point, passage), scenario.passages
    )


def get_and_check(scenario: Scenario, point: str, passage: int) -> bool:
    """One kill, and what must be so afterwards; whether the child came to be killed."""
    make, queue = scenario.make, _core.Channel(scenario.maxsize)
    put(queue, make, range(scenario.count))

    with Tally() as tally:

        def take() -> None:
            take_and_check(queue, scenario, tally)

        killed = killed_after_another(
            armed(point, take, passage),
            scenario.dead_before and armed(scenario.dead_before, take, scenario.dead_passage),
        )
        got = tally.count()

    put(queue, make, range(300, 302))
    found, everything = drain(queue), identities(make, range(scenario.count))
    left = [message for message in found if message in everything]
    gone = len(everything) - len(left)
    assert left == everything[gone:]
    assert got <= gone <= got + killed + bool(scenario.dead_before)
    assert found[len(left) :] == identities(make, range(300, 302))
    return killed


def take_and_check(queue: Any, scenario: Scenario, tally: Tally) -> None:
    """Take messages, look whether they are right and in order, and count them."""
    expected, last = identities(scenario.make, range(scenario.count)), -1
    for _ in range(scenario.taken):
        found = expected.index(identity(queue.get(timeout=WITHIN)))
        assert found > last
        last = found
        tally.add()


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(
    ("kind", "point"),
    [("small", point) for point in matching(COMMON)]
    + [("payload", point) for point in matching((*COMMON, *OF_BLOCKS))],
)
def test_what_a_killed_consumer_claimed_is_what_it_may_have_taken(kind: str, point: str) -> None:
    """The claim names the message that is gone; a message that is not claimed is still there."""
    kill_at_every_passage(lambda passage: claim_and_check(KINDS[kind], point, passage))


def claim_and_check(make: Make, point: str, passage: int) -> bool:
    """One kill, and what must be so afterwards; whether the child came to be killed."""
    queue, claims = _core.TaskChannel(), _core.Block(16)
    put(queue, make, range(6))

    killed = killed_at(point, lambda: claim_three(queue, claims), passage)

    claimed = int.from_bytes(memoryview(claims)[:8], "little")
    left = drain(queue)
    gone = 6 - len(left)
    assert left == identities(make, range(gone, 6))
    assert claimed in (gone, gone + 1)
    return killed


def claim_three(queue: Any, claims: Any) -> None:
    """Take three messages; each is written down before it is taken."""
    queue.claim_in(claims, 0)
    for number in range(3):
        sequence, _, _, _, error = queue.get_tagged(WITHIN)
        assert error is None
        assert sequence == number


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("point", ["event_count.prepared", "event_count.woken", *matching(COMMON)])
@pytest.mark.parametrize("kind", ["small", "payload"])
def test_a_consumer_killed_while_it_waits_swallows_no_wake_up(kind: str, point: str) -> None:
    """Two wait, one of them is killed: the other gets what comes, within the second."""
    queue, answers, make = _core.Channel(), _core.Channel(), KINDS[kind]
    with child(lambda: forward(queue, answers)):
        victim, number = Child(armed(point, lambda: forward(queue, _core.Channel()))), 0
        while not has_ended(victim.pid):
            wait_until(lambda: is_asleep(victim.pid) or has_ended(victim.pid))
            queue.put(make(number))
            wait_until(queue.empty, WITHIN, "a waiting consumer takes the message")
            number += 1

        assert arrived(victim, point)
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
