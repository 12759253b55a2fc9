"""Scenarios of kills: what lies in a queue, what a process does with it, and where it is killed.

Idea: a test of a kill is a row of a table, and one of two engines runs it. `Passages` kills a child
of the core's own fork at the first passage of a point, another child at the second, and so on,
until one comes through unharmed; what each had done is known by a count that no kill can tear.
`Operation` kills a child of a context, as a program would have it, at the passages that it names.

Invariant: after each kill something is put, so every row sees the queue go on.
"""

import queue as standard_queue
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from procession import _core
from tests.crash.kills import kill_at_every_passage, killed_after_another, matching, put
from tests.crash.messages import KINDS, Make, drain
from tests.support.crash import kill_child_at
from tests.support.kill import Counter, armed

DURING = range(100, 200)  # the numbers of the messages that the killed process may put,
DEAD = range(200, 250)  # that one killed before it may put,
AFTER = range(300, 400)  # and that are put when both are dead


@dataclass(frozen=True)
class Outcome:
    """What is found after a kill."""

    killed: bool  # else the child came through unharmed
    done: int  # how many steps the killed child, or both, have told of
    after: range  # the numbers of the messages that were put afterwards
    found: list[Any]  # all that was in the queue then, as `messages.identity` has it


@dataclass(frozen=True)
class Side:
    """One side of a queue: what a process does there, and what must hold when it was killed."""

    work: Callable[[Any, "Passages", range, Counter], None]  # queue, scenario, numbers, counter
    check: Callable[["Passages", Outcome], None]


@dataclass(frozen=True)
class Passages:
    """What lies in a queue, what is done to it, and the points at each passage of which to kill."""

    side: Side
    kind: str
    before: int  # messages in the queue already
    during: int  # messages that the killed process puts, or takes
    points: tuple[str, ...]
    maxsize: int = 0
    dead_before: str = ""  # a point at which another process was killed just before,
    dead_passage: int = 1  # and at which passage of it
    most: int = 60  # kills at each point

    @property
    def make(self) -> Make:
        """Messages by number."""
        return KINDS[self.kind]

    def run(self, point: str) -> None:
        """Kill at every passage of *point*, and check after each."""
        kill_at_every_passage(lambda passage: self._kill_once(point, passage), self.most)

    def _kill_once(self, point: str, passage: int) -> bool:
        queue = _core.Channel(self.maxsize)
        put(queue, self.make, range(self.before))
        with Counter() as counter:

            def work(numbers: range) -> Callable[[], None]:
                return lambda: self.side.work(queue, self, numbers, counter)

            killed = killed_after_another(
                armed(point, work(DURING[: self.during]), passage),
                self.dead_before and armed(self.dead_before, work(DEAD), self.dead_passage),
            )
            done = counter.count()
        after = AFTER[: self.maxsize - queue.qsize() if self.maxsize else 2]
        put(queue, self.make, after)
        self.side.check(self, Outcome(killed, done, after, drain(queue)))
        return killed


def each_point(scenarios: Mapping[str, Passages]) -> Iterator[Any]:
    """Yield a parameter set for each scenario and each of its points."""
    for name, scenario in scenarios.items():
        for point in matching(scenario.points):
            yield pytest.param(scenario, point, id=f"{name}-{point}")


@dataclass(frozen=True)
class Operation:
    """One operation of a context's queue, cut short in a child of each start method."""

    points: Sequence[str]
    content: Sequence[Any]  # what lies in the queue
    act: Callable[..., object]  # of the queue; importable, for a fresh interpreter
    may_be_left: Callable[[list[Any]], bool]  # whether the queue may contain that afterwards
    passages: tuple[int, ...] = (1,)
    batches: bool = False  # whether the survivor puts and takes in batches, too

    def run(self, ctx: Any, point: str, passage: int) -> None:
        """Kill a child, and check."""
        queue = ctx.Queue()
        for item in self.content:
            queue.put(item)

        exitcode = kill_child_at(ctx, point, self.act, (queue,), passage=passage)

        assert exitcode == -signal.SIGKILL
        queue.put("after")
        if self.batches:
            queue.put_many(["later", "at last"])
        found = drained(queue, self.batches)
        last = ["after", "later", "at last"] if self.batches else ["after"]
        assert found[-len(last) :] == last
        left = found[: -len(last)]
        assert self.may_be_left(left), [str(item)[:20] for item in left]


def each_passage(operations: Mapping[str, Operation]) -> Iterator[Any]:
    """Yield a parameter set for each operation, each of its points and each passage named."""
    for name, operation in operations.items():
        for point in operation.points:
            for passage in operation.passages:
                yield pytest.param(operation, point, passage, id=f"{name}-{point}-{passage}")


def drained(queue: Any, batches: bool = False) -> list[Any]:
    """Return what is in a context's queue, in order, taken by ones or by batches and ones."""
    items: list[Any] = []
    while True:
        try:
            if batches:
                items += queue.get_many(7, timeout=0)
            items.append(queue.get(timeout=0))
        except standard_queue.Empty:
            return items
