"""Processes killed while they give up or reap a slot of another.

Idea: what is under way then is a start that was broken off, a fork without a known pid, a long list
of references, a mutex whose owner the kernel forgot. Afterwards all memory is released.
"""

import ctypes
import os
import platform
import signal
from typing import Any

import pytest

from procession import _core
from tests.crash.kills import matching
from tests.support.crash import crash_points
from tests.support.kill import TIMEOUT, killed_at, memory_in_use
from tests.support.waiting import wait_until

SET_ROBUST_LIST = {"x86_64": 273, "aarch64": 99}

pytestmark = [pytest.mark.usefixtures("sound"), pytest.mark.orphans]


def all_is_released(in_use: int) -> None:
    """Wait for what a killed process's children hold, too."""
    wait_until(lambda: memory_in_use() <= in_use, TIMEOUT, "all memory is reclaimed")


def cancel_a_start() -> None:
    """Fork a child that dies with this process, and give its start up."""
    start = _core.ProcessStart()
    if _core.fork((_core.death_pipe_fd(),), None, start) == 0:
        signal.pause()
    start.cancel()


@pytest.mark.parametrize("point", crash_points("table.cancel_start."))
def test_a_kill_while_a_start_is_given_up(point: str) -> None:
    """The child ends with the killed process, or was killed before; its slot is released."""
    in_use = memory_in_use()
    assert killed_at(point, cancel_a_start)
    all_is_released(in_use)


def fork_again_and_again() -> None:
    """Until a parent is faster than its child: then it has to look for it."""
    for _ in range(500):
        if (pid := os.fork()) == 0:
            os._exit(0)
        os.waitpid(pid, 0)


@pytest.mark.parametrize("point", crash_points("table.forked."))
def test_a_kill_while_the_child_of_a_fork_is_looked_for(point: str) -> None:
    """The child has its slot, and releases it as any other."""
    in_use = memory_in_use()
    assert killed_at(point, fork_again_and_again)
    all_is_released(in_use)


def leave_many_references() -> None:
    """End without a release of two hundred objects."""
    held: Any = [_core.Event() for _ in range(200)]
    if (pid := _core.fork()) == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    _core.reclaim_process(pid)
    del held


@pytest.mark.parametrize("point", matching(("arena.let_others", "table.reap.*")))
def test_a_kill_between_the_steps_of_a_reaping(point: str) -> None:
    """The next reaper releases the rest."""
    in_use = memory_in_use()
    assert killed_at(point, leave_many_references)
    all_is_released(in_use)


def fork_one(*, untold: bool) -> None:
    """Fork a child that ends at once; if that is killed at the armed point, be killed, too."""
    if (pid := _core.fork()) == 0:
        if untold:  # the kernel does not tell others of its death
            number = SET_ROBUST_LIST[platform.machine()]
            ctypes.CDLL(None).syscall(number, None, ctypes.c_size_t(24))
        os._exit(0)
    status = os.waitpid(pid, 0)[1]
    _core.reclaim_process(pid)
    if os.waitstatus_to_exitcode(status) == -signal.SIGKILL:
        os.kill(os.getpid(), signal.SIGKILL)


def take_the_slot_of_one_that_died_untold() -> None:
    """Fork a child whose death the kernel does not tell, then one that takes its slot."""
    fork_one(untold=True)
    fork_one(untold=False)


@pytest.mark.skipif(platform.machine() not in SET_ROBUST_LIST, reason="the call has other numbers")
@pytest.mark.parametrize("point", crash_points("mutex.mark."))
def test_a_kill_while_a_dead_owner_of_a_mutex_is_marked(point: str) -> None:
    """The mutex is the next one's."""
    in_use = memory_in_use()
    assert killed_at(point, take_the_slot_of_one_that_died_untold)
    all_is_released(in_use)
