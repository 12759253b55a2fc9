"""`Pool.terminate` ends workers in any state.

How soon it does: ``python -m benchmarks.probes.promptness``.
"""

import functools
import os
import signal
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
    pool.terminate(timeout=0.5)
    pool.join()
    assert procession.active_children() == []


def test_terminate_wants_a_length_of_time(forked: Any) -> None:
    with pytest.raises(TypeError):
        forked.terminate("soon")
    assert forked.apply(int) == 0


def handle_sigterm_slowly(begun: Any, done: Any) -> None:
    """Have SIGTERM put things in order for a while, and then end the worker."""

    def handle(*_: object) -> None:
        begun.put(None)
        threading.Event().wait(0.7)  # more than any grace of the supervisor
        done.put(os.getpid())
        os._exit(0)

    signal.signal(signal.SIGTERM, handle)


def test_handlers_of_sigterm_in_busy_workers_are_not_cut_off(ctx: Any) -> None:
    begun, done, ready = (ctx.Queue() for _ in range(3))
    pool = ctx.Pool(tasks.WORKERS, handle_sigterm_slowly, (begun, done))
    for _ in range(tasks.WORKERS):
        pool.apply_async(promptness.begin, (1000, ready))
    pids = {ready.get(timeout=30) for _ in range(tasks.WORKERS)}

    pool.terminate()

    assert {done.get(timeout=30) for _ in pids} == pids
    assert begun.qsize() == len(pids)  # each handler ran once


def test_what_is_left_after_the_timeout_is_killed(ctx: Any) -> None:
    begun, done, ready = (ctx.Queue() for _ in range(3))
    pool = ctx.Pool(1, handle_sigterm_slowly, (begun, done))
    pool.apply_async(promptness.begin, (1000, ready))
    ready.get(timeout=30)

    pool.terminate(timeout=0.3)

    assert (begun.qsize(), done.qsize()) == (1, 0)


def note_exit(notes: Any) -> None:
    notes.put(os.getpid())


def test_idle_workers_are_asked_to_leave_by_a_message(ctx: Any) -> None:
    """They end in order: no signal comes, and what shall run at their end does."""
    begun, done, ended = (ctx.Queue() for _ in range(3))
    pool = ctx.Pool(
        1,
        handle_sigterm_slowly,
        (begun, done),
        worker_init=functools.partial(tasks.identity, ended),
        worker_exit=note_exit,
    )
    pid = pool.apply(os.getpid)

    pool.terminate()
    pool.join()

    assert ended.get(timeout=30) == pid
    assert (begun.qsize(), done.qsize()) == (0, 0)


def test_forked_workers_do_not_run_their_parents_handlers() -> None:
    """Neither the handler of SIGTERM nor the wake-up descriptor, at no moment of their lives."""
    ctx = procession.get_context("fork")
    reader, writer = os.pipe2(os.O_NONBLOCK)
    ran = ctx.Queue()
    before = signal.signal(signal.SIGTERM, lambda *_: ran.put(os.getpid()))
    wakeup = signal.set_wakeup_fd(writer)
    try:
        for used in (False, True, False):
            pool = ctx.Pool(tasks.WORKERS)
            if used:
                pool.map(abs, range(4))
            for worker in pool.stats().workers:
                os.kill(worker.pid, signal.SIGTERM)
            pool.terminate()
            pool.join()
    finally:
        signal.set_wakeup_fd(wakeup)
        signal.signal(signal.SIGTERM, before)

    with pytest.raises(BlockingIOError):
        os.read(reader, 1)
    assert ran.qsize() == 0
    os.close(reader)
    os.close(writer)


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
