"""What the tests of kills share: which points, how often, and in which state of the arena."""

import gc
import signal
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

from tests.crash.messages import Make
from tests.support.crash import crash_points
from tests.support.kill import WITHIN, Child, Counter, Signal, memory_unchanged
from tests.support.waiting import wait_until

Work = Callable[[], object]


def matching(patterns: Iterable[str]) -> list[str]:
    """Return the crash points that match any of *patterns*; each pattern matches one at least."""
    names = crash_points("")
    for pattern in patterns:
        assert any(fnmatchcase(name, pattern) for name in names), pattern
    return [name for name in names if any(fnmatchcase(name, pattern) for pattern in patterns)]


def kill_at_every_passage(kill_at: Callable[[int], bool], most: int = 40) -> None:
    """Call *kill_at* with 1, 2, ... until it says that nobody was killed, or *most* times.

    Raises:
        AssertionError: nobody was killed at all, or a kill has cost memory for good.
    """
    assert _kill_once(kill_at, 1), "the work does not pass the point at which it was to be killed"
    for passage in range(2, most + 1):
        if not _kill_once(kill_at, passage):
            break


def _kill_once(kill_at: Callable[[int], bool], passage: int) -> bool:
    with memory_unchanged():
        return kill_at(passage)


def killed_after_another(dying: Work, another: Work | str) -> bool:
    """Whether *dying* is killed, run as a child when *another* child (if any) has just been.

    In between nobody else uses the arena: the process that is to die has to repair it.
    """
    with Signal() as first, Signal() as second, Counter() as ready:
        process = Child(lambda: (ready.add(), second.wait(), dying()))
        # A start uses the arena at both ends: each is over before anybody is killed.
        wait_until(ready.count, message="the process that is to die has started")
        other = (
            Child(lambda: (first.wait(), another()), reclaim=False) if callable(another) else None
        )
        gc.disable()
        try:
            first.give()
            assert other is None or other.wait() < 0, "the first was to be killed as well"
            second.give()
        finally:
            gc.enable()
        exitcode = process.wait()
    assert exitcode in (0, -signal.SIGKILL)
    return exitcode != 0


def put(queue: Any, make: Make, numbers: Iterable[int]) -> None:
    """Put the messages with these numbers."""
    for number in numbers:
        queue.put(make(number), timeout=WITHIN)
