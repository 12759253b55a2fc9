"""`Pool.terminate` ends workers in any state.

How soon it does: ``python -m benchmarks.probes.promptness``.
"""

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest

import procession
from benchmarks.probes import promptness
from procession.pool import _supervisor
from tests.support import tasks
from tests.support.waiting import wait_until

STATES = [
    promptness.in_c_code,
    promptness.ignoring,
    promptness.stopped,
    promptness.starting,
    promptness.in_initializer,
]


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.__name__)
def test_workers_in_any_state_are_ended(ctx: Any, state: Callable[[Any, Any], Any]) -> None:
    pool = state(ctx, ctx.Queue())
    pool.terminate()
    pool.join()
    assert procession.active_children() == []


@pytest.mark.parametrize("state", [promptness.starting, promptness.in_initializer])
def test_workers_of_a_forgotten_pool_are_ended_in_any_state(
    state: Callable[[Any, Any], Any],
) -> None:
    pool = state(procession.get_context("fork"), procession.Queue())
    with pytest.warns(ResourceWarning, match="unclosed running"):
        del pool
    assert procession.active_children() == []


def test_a_pause_before_the_next_worker_does_not_delay_terminate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers that die at their start are replaced more and more slowly."""
    monkeypatch.setattr(_supervisor, "_BACK_OFF", 1000)
    monkeypatch.setattr(_supervisor, "_LONGEST_BACK_OFF", 1000)
    pool = procession.get_context("fork").Pool(tasks.WORKERS, tasks.die)
    wait_until(lambda: pool._supervisor._deaths_at_start > tasks.WORKERS)
    pool.terminate()
    pool.join()
    assert procession.active_children() == []


def test_a_callback_may_end_the_pool(ctx: Any) -> None:
    pool = ctx.Pool(tasks.WORKERS)
    ended = threading.Event()

    def end(_: object) -> None:
        pool.terminate()
        ended.set()

    pool.apply_async(tasks.square, (3,), callback=end)
    assert ended.wait(30)
    pool.join()


# ------------------------------------------------------------------ workers that cannot be replaced


def test_a_worker_that_cannot_be_replaced_is_the_error_of_each_call(
    forked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Any, index: int) -> None:
        raise BlockingIOError(11, "no more processes")

    seen = []
    waiting = forked.apply_async(tasks.nap, (100,), error_callback=lambda _: seen.append(look()))
    look = forked.stats  # a callback that looks at the workers gets its answer
    wait_until(lambda: "busy" in [worker.state for worker in forked.stats().workers])
    monkeypatch.setattr(_supervisor.Supervisor, "_start_worker", refuse)
    idle = next(worker for worker in forked.stats().workers if worker.state != "busy")
    os.kill(idle.pid, 9)
    with pytest.raises(RuntimeError, match="could not be replaced: BlockingIOError"):
        waiting.get(30)
    with pytest.raises(RuntimeError, match="could not be replaced"):
        forked.apply(tasks.square, (3,))
    wait_until(lambda: len(seen) == 1)


def test_a_pool_that_cannot_have_all_of_its_workers_has_none(
    ctx: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Process(ctx.Process):  # type: ignore[name-defined, misc]
        left = 2

        def start(self) -> None:
            if Process.left == 0:
                raise BlockingIOError(11, "no more processes")
            Process.left -= 1
            super().start()

    monkeypatch.setattr(ctx, "Process", Process)
    with pytest.raises(BlockingIOError, match="no more processes"):
        ctx.Pool(4)
    assert procession.active_children() == []
