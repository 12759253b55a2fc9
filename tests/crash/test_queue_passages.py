"""A producer, or a consumer, killed at every passage of every point on its way.

Idea: a scenario says what lies in the queue, what the process puts or takes, and which points lie
on the way. After each kill the queue must hold what was put before, as far as it was not taken, a
beginning of what the killed process put, and what is put afterwards: whole, and in order.
"""

from typing import Any

import pytest

from procession import _core
from tests.crash.kills import kill_at_every_passage, matching, put
from tests.crash.messages import KINDS, Make, drain, identities, identity
from tests.crash.scenarios import DEAD, DURING, Outcome, Passages, Side, each_point
from tests.support.kill import WITHIN, Counter, killed_at

PUT = (
    "channel.put.before_write",
    "channel.put.before_commit",
    "channel.put.committed",
    "channel.put.before_unlock",
    "channel.put.before_wake",
)
GET = (
    "channel.get.before_claim",
    "channel.get.before_commit",
    "channel.get.committed",
    "channel.get.before_unlock",
)
JOURNAL = ("journal.*",)
OF_BLOCKS = ("journal.*", "handle.release.*")

# ----------------------------------------------------------------------------------- the put side


def put_and_count(queue: Any, scenario: Passages, numbers: range, counter: Counter) -> None:
    """Put messages, and count each when it is put."""
    for number in numbers:
        put(queue, scenario.make, [number])
        counter.add()


def check_what_was_put(scenario: Passages, outcome: Outcome) -> None:
    """A killed put() is whole or absent, each that returned is there, and nothing else changed."""
    make, found = scenario.make, outcome.found
    before = identities(make, range(scenario.before))
    assert found[: len(before)] == before
    rest = found[len(before) :]
    behind_the_dead = without_prefix_of(identities(make, DEAD), rest)
    during = identities(make, DURING[: scenario.during])
    after = without_prefix_of(during, behind_the_dead)
    assert after == identities(make, outcome.after)

    there = len(rest) - len(after)
    deaths = outcome.killed + bool(scenario.dead_before)
    assert outcome.done <= there <= outcome.done + deaths
    assert outcome.killed or len(behind_the_dead) - len(after) == scenario.during


def without_prefix_of(messages: list[Any], found: list[Any]) -> list[Any]:
    """Take off *found* as many of *messages* as it begins with."""
    count = 0
    while count < min(len(messages), len(found)) and found[count] == messages[count]:
        count += 1
    return found[count:]


PUTS = Side(put_and_count, check_what_was_put)


def puts(kind: str, points: tuple[str, ...] = PUT, **fields: Any) -> Passages:
    """Return a scenario of the put side; two messages are there and three are put."""
    return Passages(PUTS, kind, **({"before": 2, "during": 3} | fields), points=points)


# ----------------------------------------------------------------------------------- the get side


def take_and_count(queue: Any, scenario: Passages, _: range, counter: Counter) -> None:
    """Take messages, look whether they are right and in order, and count them."""
    expected, last = identities(scenario.make, range(scenario.before)), -1
    for _ in range(scenario.during):
        found = expected.index(identity(queue.get(timeout=WITHIN)))
        assert found > last
        last = found
        counter.add()


def check_what_was_taken(scenario: Passages, outcome: Outcome) -> None:
    """A killed consumer has taken what it got, and at most the one message it was taking."""
    everything = identities(scenario.make, range(scenario.before))
    left = [message for message in outcome.found if message in everything]
    gone = len(everything) - len(left)
    assert left == everything[gone:]
    deaths = outcome.killed + bool(scenario.dead_before)
    assert outcome.done <= gone <= outcome.done + deaths
    assert outcome.found[len(left) :] == identities(scenario.make, outcome.after)


GETS = Side(take_and_count, check_what_was_taken)


def gets(kind: str, points: tuple[str, ...] = GET, **fields: Any) -> Passages:
    """Return a scenario of the get side; five messages are there and three are taken."""
    return Passages(GETS, kind, **({"before": 5, "during": 3} | fields), points=points)


# ---------------------------------------------------------------------------------- the scenarios

SCENARIOS = {
    "put_small": puts("small", during=6),
    "put_payload": puts("payload", (*PUT, *JOURNAL)),
    "put_payload_first": puts("payload", (*PUT, *JOURNAL, "segments.add.before_commit"), before=0),
    "put_handles": puts("with_handles", (*PUT, *JOURNAL, "payload.add_reference.before_commit")),
    "put_in_new_segments": puts(
        "long_record",
        ("segments.add.before_commit", "journal.*", "channel.put.before_commit"),
        during=50,
    ),
    "put_bounded": puts("payload", (*PUT, *JOURNAL), maxsize=6),
    "put_after_a_kill_before_the_commit": puts(
        "small", ("channel.put.repaired", *PUT), dead_before="channel.put.before_commit"
    ),
    "put_after_a_kill_behind_the_commit": puts(
        "small", ("channel.put.repaired", *PUT), dead_before="channel.put.committed"
    ),
    "put_after_a_kill_in_the_journal": puts(
        "payload",
        ("arena.repaired", "channel.put.repaired", *PUT, *JOURNAL),
        dead_before="journal.committed",
        dead_passage=2,  # the first is that of the payload's block, the second that of the put()
    ),
    "put_after_a_kill_while_growing": puts(
        "long_record",
        ("arena.repaired", "segments.add.before_commit", *PUT),
        during=6,
        dead_before="segments.add.before_commit",
    ),
    "get_small": gets("small"),
    "get_payload": gets("payload", (*GET, *OF_BLOCKS)),
    "get_handles": gets("with_handles", (*GET, *OF_BLOCKS)),
    "get_from_old_segments": gets(
        "long_record", ("segments.skip.before_commit", "journal.*", *GET), before=60, during=50
    ),
    "get_bounded": gets("payload", (*GET, *OF_BLOCKS), maxsize=7),
    "get_after_a_kill_before_the_commit": gets(
        "small", ("channel.get.repaired", *GET), dead_before="channel.get.before_commit"
    ),
    "get_after_a_kill_behind_the_commit": gets(
        "small", ("channel.get.repaired", *GET), dead_before="channel.get.committed"
    ),
    "get_after_a_kill_in_the_journal": gets(
        "payload",
        ("arena.repaired", "channel.get.repaired", *GET, *OF_BLOCKS),
        dead_before="journal.committed",
    ),
    "get_after_a_kill_between_segments": gets(
        "long_record",
        ("arena.repaired", "channel.get.repaired", "segments.skip.before_commit", *GET),
        before=8,
        dead_before="segments.skip.before_commit",
    ),
}


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(("scenario", "point"), list(each_point(SCENARIOS)))
def test_a_queue_outlives_a_process_killed_at_every_passage(scenario: Passages, point: str) -> None:
    """See `check_what_was_put` and `check_what_was_taken`."""
    scenario.run(point)


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize(
    ("kind", "point"),
    [("small", point) for point in matching(GET)]
    + [("payload", point) for point in matching((*GET, *OF_BLOCKS))],
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
    queue.set_task_word(claims, 0)
    for number in range(3):
        sequence, _, _, _, error = queue.receive(WITHIN)
        assert error is None
        assert sequence == number
