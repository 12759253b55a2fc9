"""Processes killed while they start another: by a fork, or by any method of start.

Idea: a parent that is killed in a fork leaves a slot for a child that may or may not exist. No
process waits for that child. When it can no longer appear, the slot and the references that were
held for it are released.
"""

import os
import signal
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from procession import _core
from tests.crash.kills import matching, put
from tests.crash.messages import KINDS, drain, some_of_everything
from tests.support.crash import crash_points
from tests.support.kill import TIMEOUT, WITHIN, Child, killed_at, memory_in_use
from tests.support.waiting import wait_until

START_LIMIT = (
    10.0  # seconds after which the slot of a child whose parent died in the fork is released
)

FORKING = matching(("table.reserve.*", "references.copied_one", "journal.*"))
MAX_PASSAGES = 40


@pytest.fixture(autouse=True, scope="module")
def all_is_reclaimed(family: None) -> Iterator[None]:
    """After the last test: the slots of children that never started have been released."""
    in_use = memory_in_use()
    yield
    wait_until(lambda: memory_in_use() <= in_use, 2 * START_LIMIT, "all memory is reclaimed")


def fork_one(make_child: Callable[[], int]) -> None:
    """Fork a child that ends at once."""
    held = some_of_everything()
    pid = make_child()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    del held


@pytest.mark.usefixtures("sound")
@pytest.mark.orphans
@pytest.mark.parametrize("point", FORKING)
@pytest.mark.parametrize("make_child", [_core.fork, os.fork], ids=["core", "os"])
def test_a_family_goes_on_when_a_member_is_killed_in_a_fork(
    make_child: Callable[[], int], point: str
) -> None:
    """Right after each kill other processes can fork, send and receive."""
    kills, queue = 0, _core.Channel()
    for passage in range(1, MAX_PASSAGES):
        if not killed_at(point, lambda: fork_one(make_child), passage):
            break
        kills += 1
        assert Child(lambda: put(queue, KINDS["payload"], range(2))).wait(WITHIN) == 0
        assert len(drain(queue)) == 2
    assert kills > 0


@pytest.mark.usefixtures("sound")
@pytest.mark.orphans
def test_the_table_of_processes_does_not_grow_by_kills_in_forks() -> None:
    """The slot of a fork that was interrupted is used again."""
    in_use = memory_in_use()
    first = slots_after_kills(in_use)
    assert slots_after_kills(in_use) <= first


def slots_after_kills(in_use: int) -> int:
    """Kill once at each point, wait until all is released; return the number of slots then."""
    for point in FORKING:
        assert killed_at(point, lambda: fork_one(_core.fork))
    wait_until(lambda: memory_in_use() <= in_use, 2 * START_LIMIT, "all memory is reclaimed")
    slots: int = _core.arena_usage()["slots"]
    return slots


@pytest.mark.usefixtures("sound")
@pytest.mark.orphans
@pytest.mark.parametrize("point", matching(("table.reserve.*", "journal.before_commit")))
def test_a_process_killed_while_it_starts_another_harms_no_other(ctx: Any, point: str) -> None:
    """By each method: the others go on, start processes and use their queues."""
    queue = ctx.Queue()
    for passage in (1, 2, 4):
        if not killed_at(point, lambda: start_one(ctx, queue), passage):
            break
        process = ctx.Process(target=queue.put, args=("works",))
        process.start()
        while queue.get(timeout=TIMEOUT) != "works":
            pass  # the killed process's child may have come to its put()
        process.join(TIMEOUT)
        assert process.exitcode == 0
        process.close()
        drain(queue)
    assert passage > 1


def start_one(ctx: Any, queue: Any) -> None:
    """In the process to be killed: start a process that uses the queue."""
    process = ctx.Process(target=queue.put, args=("from the killed process's child",))
    process.start()
    process.join()


@pytest.mark.usefixtures("sound")
@pytest.mark.orphans
@pytest.mark.parametrize("point", crash_points("table.adopt."))
@pytest.mark.parametrize("make_child", [_core.fork, os.fork], ids=["core", "os"])
def test_a_child_killed_while_it_adopts_its_slot_leaves_nothing(
    make_child: Callable[[], int], point: str
) -> None:
    """Its parent's references are untouched; the child's are released."""
    queue = _core.Channel()
    put(queue, KINDS["payload"], range(2))  # the queue keeps the memory that it needs itself
    assert len(drain(queue)) == 2
    in_use = memory_in_use()

    def fork_one_to_be_killed() -> None:
        _core.crash_arm(point, 1)  # type: ignore[attr-defined]
        pid = make_child()
        _core.crash_arm(None)  # type: ignore[attr-defined]
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
        put(queue, KINDS["payload"], range(2))

    assert Child(fork_one_to_be_killed).wait(WITHIN) == 0

    assert len(drain(queue)) == 2
    wait_until(lambda: memory_in_use() <= in_use, TIMEOUT, "all memory is reclaimed")
