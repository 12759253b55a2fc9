"""Processes killed while they join the family, release objects, or reclaim a dead one's.

Idea: what the killed process left half done is finished or undone by the next process. The measure
is the memory of the arena in use: the same afterwards as before.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from procession import BrokenLockError, _core
from procession.synchronize import Lock
from tests.crash.kills import (
    kill_at_every_passage,
    killed_after_another,
    matching,
)
from tests.crash.messages import KINDS, drain, some_of_everything
from tests.support.kill import (
    TIMEOUT,
    WITHIN,
    armed,
    killed_at,
    memory_unchanged,
)

REAPING = matching(("table.reap.*", "references.released_one", "journal.*"))
RELEASING = matching(("handle.release.*", "journal.*"))


# ------------------------------------------------------------------- starts by each method


@contextlib.contextmanager
def armed_environment(point: str, passage: int) -> Iterator[None]:
    """While the body runs, interpreters that start are armed from their first instruction on."""
    os.environ["PROCESSION_CRASH_POINT"] = f"{point}:{passage}"
    try:
        yield
    finally:
        del os.environ["PROCESSION_CRASH_POINT"]


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("point", matching(("journal.*", "handle.release.*")))
def test_a_spawned_child_killed_while_it_joins_the_family_harms_no_other(point: str) -> None:
    """Killed at any of its first uses of the arena: the references held for it are released."""
    import procession

    with memory_unchanged():
        kills = [kill_while_it_joins(procession.get_context("spawn"), point, n) for n in (1, 3, 6)]
    assert any(kills)


def kill_while_it_joins(ctx: Any, point: str, passage: int) -> bool:
    """Kill once and check; return whether the child came to the point."""
    queue, lock = ctx.Queue(), _core.Lock()
    process = ctx.Process(target=take_part, args=(queue, lock))
    with armed_environment(point, passage):
        process.start()
    process.join(TIMEOUT)
    assert process.exitcode in (0, -signal.SIGKILL)
    queue.put("after")
    assert "after" in drain(queue)
    return bool(process.exitcode)


def take_part(queue: Any, lock: Any) -> None:
    """In the child: use the objects that it was given."""
    queue.put(b"x" * 10_000)
    queue.get()
    assert not lock.locked()


# -------------------------------------------------------------------------- releasing, reclaiming


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("point", RELEASING)
def test_what_is_released_is_freed_even_if_the_releasing_process_is_killed(point: str) -> None:
    """Killed while it releases a queue full of messages: all is freed, once."""
    kill_at_every_passage(lambda passage: release_and_check(point, passage))


def release_and_check(point: str, passage: int) -> bool:
    """Kill once and check; return whether the child came to the point."""
    kept = some_of_everything()

    killed = killed_at(point, lambda: some_of_everything().clear(), passage)

    assert len(drain(kept[0])) == 2 * len(KINDS)
    return killed


def hold_and_die() -> None:
    """In a child: refer to some of everything, hold the lock, and be killed."""
    held = some_of_everything()
    held[1].acquire()
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("point", REAPING)
def test_a_killed_reaper_is_followed_by_the_next(point: str) -> None:
    """Killed at any step of reclaiming a dead process's slot: the next reaper does the rest."""
    kill_at_every_passage(
        lambda passage: killed_after_another(
            armed(point, _core.reclaim_dead, passage), hold_and_die
        )
    )


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("point", REAPING)
def test_a_lock_is_broken_though_the_first_reaper_was_killed(point: str) -> None:
    """A holder's death is not forgotten with the reaper that had just found it."""
    lock, pid = Lock(), _core.Block(8)

    def die_holding() -> None:
        lock.acquire()
        memoryview(pid)[:] = os.getpid().to_bytes(8, "little")
        os.kill(os.getpid(), signal.SIGKILL)

    for passage in (1, 2, 3, 6):
        killed_after_another(armed(point, _core.reclaim_dead, passage), die_holding)
        begun = time.monotonic()
        with pytest.raises(BrokenLockError, match=str(int.from_bytes(memoryview(pid), "little"))):
            lock.acquire(timeout=2 * WITHIN)
        assert time.monotonic() - begun < WITHIN
        lock.reset()
