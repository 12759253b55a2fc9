"""What the tests of kills share: which points, how often, and in which state of the arena."""

import gc
import signal
from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import Any

from tests.crash.messages import Make
from tests.support.crash import crash_points
from tests.support.kill import WITHIN, Child, Signal, memory_unchanged

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
    # A repair may be done by a process that another test has left to die: then try again.
    assert any(_kill_once(kill_at, 1) for _ in range(3)), "the point is not on the way"
    for passage in range(2, most + 1):
        if not _kill_once(kill_at, passage):
            break


def _kill_once(kill_at: Callable[[int], bool], passage: int) -> bool:
    with memory_unchanged():
        return kill_at(passage)


def killed_after_another(victim: Work, another: Work | str) -> bool:
    """Whether *victim* is killed, run as a child when *another* child (if any) has just been.

    In between nobody else uses the arena: the victim is who has to repair it.
    """
    with Signal() as go:
        process = Child(lambda: (go.wait(), victim()))
        gc.disable()
        try:
            if callable(another):
                assert Child(another, bury=False).wait() < 0, "the first was to be killed as well"
            go.give()
        finally:
            gc.enable()
        exitcode = process.wait()
    assert exitcode in (0, -signal.SIGKILL)
    return exitcode != 0


def put(queue: Any, make: Make, numbers: Iterable[int]) -> None:
    """Put the messages with these numbers."""
    for number in numbers:
        queue.put(make(number), timeout=WITHIN)
