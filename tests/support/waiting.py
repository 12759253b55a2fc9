"""Waiting for a state that announces itself by no event.

Idea: most states can be waited for: a process has a sentinel, a queue its get(). What is left (an
entry of /proc that goes, a file that another process removes) is looked at until it is so. A test
never sleeps for a guess.
"""

import time
from collections.abc import Callable

PAUSE = 0.005  # seconds between two looks


def wait_until(
    predicate: Callable[[], object], timeout: float = 10.0, message: str | None = None
) -> None:
    """Return as soon as *predicate* is true.

    Args:
        predicate: cheap, without side effects.
        timeout: seconds until the claim has failed.
        message: what was waited for, for the report.
    Raises:
        AssertionError: it was not true within *timeout*.
    """
    deadline = time.monotonic() + timeout
    while not predicate():
        if time.monotonic() > deadline:
            wanted = message or getattr(predicate, "__name__", "the condition")
            raise AssertionError(f"{wanted}: not so after {timeout} s")
        time.sleep(PAUSE)
