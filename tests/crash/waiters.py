"""Processes that are killed while somebody waits for them."""

import os
from collections.abc import Callable
from typing import Any

from procession import BrokenLockError
from tests.support.kill import (
    WITHIN,
    Child,
    Counter,
    Signal,
    armed,
    arrived,
    child,
    is_asleep,
)
from tests.support.waiting import wait_until

Work = Callable[[], object]


def nothing() -> None:
    """Prepare nothing."""


def usable(lock: Any) -> bool:
    """Whether *lock* can be taken within a second, after a reset if need be."""
    try:
        got = lock.acquire(timeout=WITHIN)
    except BrokenLockError:
        assert lock.reset()
        got = lock.acquire(timeout=WITHIN)
    if got:
        lock.release()
    return bool(got)


def asleep_in(ready: Counter, work: Work) -> Work:
    """*work*, for a child that says when it is about to wait."""

    def run() -> None:
        ready.add()
        work()

    return run


def wait_for_sleep(process: Child, ready: Counter) -> None:
    """Until a child that runs `asleep_in` sleeps."""
    wait_until(ready.count)
    wait_until(lambda: is_asleep(process.pid))


def kill_with_a_waiter(
    point: str, prepare: Work, act: Work, wait: Work, *, reclaim: bool = True
) -> None:
    """Have a process prepare, a waiter sleep, and it killed at *point* of what it does then.

    Raises:
        AssertionError: the waiter still waits a second after the other process's death, or fails.
    """
    killed = killed_beside_a_waiter(point, prepare, act, wait, reclaim=reclaim)
    assert killed, "the point is not on the way"


def killed_beside_a_waiter(
    point: str, prepare: Work, act: Work, wait: Work, passage: int = 1, *, reclaim: bool = True
) -> bool:
    """As `kill_with_a_waiter`, at a *passage* of the point; whether the process came so far."""
    with Signal() as go, Counter() as ready:

        def dying() -> None:
            prepare()
            ready.add()
            go.wait()
            armed(point, act, passage)()

        first = Child(dying, reclaim=reclaim)
        wait_until(ready.count)

        def wait_alone() -> None:
            os.close(go._write)  # or the other would wait for this process's end, too
            asleep_in(ready, wait)()

        with child(wait_alone) as waiter:
            wait_for_sleep(waiter, ready)
            go.give()
            killed = arrived(first, point)
            assert waiter.wait(WITHIN, "the other process's death") == 0
    return killed


def or_broken(work: Work, *errors: type[Exception]) -> Work:
    """*work*, which may also raise one of *errors*."""

    def run() -> None:
        try:
            assert work() is not False
        except errors:
            pass  # the clear error is the other right answer

    return run
