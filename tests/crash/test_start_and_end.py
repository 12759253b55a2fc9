"""Processes killed while they join the family, let go of things, or clear up after the dead.

Idea: what the victim left half done is finished or undone by whoever comes next. The measure is the
memory of the arena in use: the same afterwards as before.
"""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from procession import _core
from tests.crash.kills import (
    kill_at_every_passage,
    killed_after_another,
    matching,
)
from tests.crash.messages import KINDS, drain, some_of_everything
from tests.support.kill import (
    PATIENCE,
    WITHIN,
    armed,
    killed_at,
    memory_unchanged,
)

REAPING = matching(("table.reap.*", "references.released_one", "journal.*"))
DROPPING = matching(("handle.release.*", "journal.*"))


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
def test_a_spawned_child_killed_while_it_joins_the_family_harms_nobody(point: str) -> None:
    """Killed at any of its first dealings with the arena: what was held for it is given back."""
    import procession

    with memory_unchanged():
        kills = [kill_while_it_joins(procession.get_context("spawn"), point, n) for n in (1, 3, 6)]
    assert any(kills)


def kill_while_it_joins(ctx: Any, point: str, passage: int) -> bool:
    """One kill, and what must be so afterwards; whether the child came to be killed."""
    queue, lock = ctx.Queue(), _core.Lock()
    process = ctx.Process(target=take_part, args=(queue, lock))
    with armed_environment(point, passage):
        process.start()
    process.join(PATIENCE)
    assert process.exitcode in (0, -signal.SIGKILL)
    queue.put("after")
    assert "after" in drain(queue)
    return bool(process.exitcode)


def take_part(queue: Any, lock: Any) -> None:
    """In the child: use what it was given."""
    queue.put(b"x" * 10_000)
    queue.get()
    assert not lock.locked()


# -------------------------------------------------------------------------- letting go, reaping


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("point", DROPPING)
def test_what_is_let_go_is_freed_even_if_the_one_who_lets_go_is_killed(point: str) -> None:
    """Killed while it drops a queue full of messages: all is freed, once."""
    kill_at_every_passage(lambda passage: let_go_and_check(point, passage))


def let_go_and_check(point: str, passage: int) -> bool:
    """One kill, and what must be so afterwards; whether the child came to be killed."""
    kept = some_of_everything()

    killed = killed_at(point, lambda: some_of_everything().clear(), passage)

    assert len(drain(kept[0])) == 2 * len(KINDS)
    return killed


def hold_and_die() -> None:
    """In a child: hold some of everything, the lock taken too, and be killed."""
    held = some_of_everything()
    held[1].acquire()
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("point", REAPING)
def test_a_killed_reaper_is_followed_by_the_next(point: str) -> None:
    """Killed at any step of clearing up after a dead process: the next one clears up the rest."""
    kill_at_every_passage(
        lambda passage: killed_after_another(armed(point, _core.reap, passage), hold_and_die)
    )


@pytest.mark.usefixtures("sound")
@pytest.mark.parametrize("point", REAPING)
def test_a_lock_is_broken_though_the_first_reaper_was_killed(point: str) -> None:
    """The news of a holder's death is not lost with the one who was about to spread it."""
    from procession._base.errors import BrokenLockError

    lock, pid = _core.Lock(), _core.Block(8)

    def die_holding() -> None:
        lock.acquire()
        memoryview(pid)[:] = os.getpid().to_bytes(8, "little")
        os.kill(os.getpid(), signal.SIGKILL)

    for passage in (1, 2, 3, 6):
        killed_after_another(armed(point, _core.reap, passage), die_holding)
        begun = time.monotonic()
        with pytest.raises(BrokenLockError, match=str(int.from_bytes(memoryview(pid), "little"))):
            lock.acquire(timeout=2 * WITHIN)
        assert time.monotonic() - begun < WITHIN
        lock.reset()
