"""`ProcessPoolExecutor`: the contract of `concurrent.futures`, and lost workers."""

import asyncio
import concurrent.futures
import itertools
import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor, as_completed, wait
from typing import Any

import pytest

import procession
from procession.futures import LostWorkerError, ProcessPoolExecutor
from tests.support import run_python, tasks
from tests.support.waiting import wait_until

WORKERS = 2


@pytest.fixture
def executor(ctx: Any) -> Iterator[ProcessPoolExecutor]:
    with ProcessPoolExecutor(WORKERS, mp_context=ctx) as executor:
        yield executor


@pytest.fixture
def forked() -> Iterator[ProcessPoolExecutor]:
    context = procession.get_context("fork")
    with ProcessPoolExecutor(WORKERS, mp_context=context) as executor:
        yield executor


def test_a_future_gives_its_result_or_its_exception(executor: Any) -> None:
    assert executor.submit(tasks.add, 2, right=3).result(30) == 5
    failed = executor.submit(tasks.fail, "no luck")
    with pytest.raises(ValueError, match="no luck"):
        failed.result(30)
    assert "in fail" in str(failed.exception().__cause__)


def test_map_keeps_the_order(executor: Any) -> None:
    assert list(executor.map(tasks.add, range(50), range(50), chunksize=7)) == [
        2 * n for n in range(50)
    ]


def test_as_completed_and_wait_know_the_futures(forked: Any) -> None:
    futures = [forked.submit(tasks.square, n) for n in range(20)]
    assert sorted(f.result() for f in as_completed(futures, 30)) == [n * n for n in range(20)]
    done, left = wait(futures, 30)
    assert len(done) == 20
    assert not left


def test_an_event_loop_waits_for_a_future(forked: Any) -> None:
    async def ask() -> Any:
        loop = asyncio.get_running_loop()
        first = asyncio.wrap_future(forked.submit(tasks.square, 3))
        return await first, await loop.run_in_executor(forked, tasks.square, 4)

    assert asyncio.run(ask()) == (9, 16)


def test_a_callback_is_called_at_the_end(forked: Any) -> None:
    heard, done = [], threading.Event()
    future = forked.submit(tasks.square, 3)
    future.add_done_callback(lambda f: (heard.append(f.result()), done.set()))
    assert done.wait(30)
    assert heard == [9]


# ------------------------------------------------------------------------------------ lost workers


def test_a_lost_worker_costs_its_future_and_no_other(executor: Any) -> None:
    lost = executor.submit(tasks.die)
    others = [executor.submit(tasks.square, n) for n in range(20)]

    with pytest.raises(LostWorkerError, match="SIGKILL") as caught:
        lost.result(30)
    assert isinstance(caught.value, BrokenExecutor)
    assert isinstance(caught.value, procession.WorkerLostError)
    assert [f.result(30) for f in others] == [n * n for n in range(20)]
    assert list(executor.map(tasks.square, range(3))) == [0, 1, 4]


def test_a_lost_worker_in_a_map_raises_for_its_item(forked: Any) -> None:
    with pytest.raises(LostWorkerError, match="item 2 of an imap of die_at"):
        list(forked.map(tasks.die_at, range(5), itertools.repeat(2)))


# ----------------------------------------------------------------------------- cancelling, timeouts


class Busy:
    """Keeps all workers busy until it is left."""

    def __init__(self, executor: Any):
        self.started, self.go_on = procession.Queue(), procession.Queue()
        held = (tasks.hold, self.started, self.go_on)
        self.futures = [executor.submit(*held) for _ in range(WORKERS)]

    def __enter__(self) -> "Busy":
        self.pids = [self.started.get(timeout=30) for _ in range(WORKERS)]
        return self

    def __exit__(self, *exc: object) -> None:
        for _ in self.futures:
            self.go_on.put("held")


def test_a_waiting_call_can_be_cancelled_and_a_running_one_cannot(forked: Any) -> None:
    with Busy(forked) as busy:
        waiting = forked.submit(tasks.square, 3)
        assert not waiting.running()
        assert waiting.cancel()
        assert waiting.cancelled()
        assert waiting.cancel()  # as of any future
        assert wait([waiting], 30).done == {waiting}
        running = busy.futures[0]
        assert running.running()
        assert not running.cancel()
    assert running.result(30) == "held"
    assert not running.running()
    assert not running.cancel()
    with pytest.raises(concurrent.futures.CancelledError):
        waiting.result(0)


def test_shutdown_can_cancel_waiting_calls(forked: Any) -> None:
    with Busy(forked) as busy:
        waiting = [forked.submit(tasks.square, n) for n in range(10)]
        results = forked.map(tasks.square, range(10))
        forked.shutdown(wait=False, cancel_futures=True)
        assert all(future.cancelled() for future in waiting)
        assert list(results) == []
    assert [future.result(30) for future in busy.futures] == ["held"] * WORKERS
    forked.shutdown()


def test_a_map_has_a_limit_of_time(forked: Any) -> None:
    with Busy(forked):
        results = forked.map(tasks.square, range(3), timeout=0.05)
        with pytest.raises(TimeoutError):
            next(results)


def test_a_map_is_sent_whole_or_by_its_buffer(forked: Any) -> None:
    drawn = itertools.count()
    results = forked.map(tasks.square, drawn, buffersize=8)
    assert [next(results) for _ in range(20)] == [n * n for n in range(20)]
    assert next(drawn) <= 29
    results.close()
    count = procession.Value("i", 0)
    forked.map(_Counter(count), range(2000))  # nobody takes the results
    forked.shutdown()
    assert count.value == 2000


class _Counter:
    def __init__(self, count: Any):
        self.count = count

    def __call__(self, _: object) -> None:
        self.count.add(1)


# ------------------------------------------------------------------------------------------ the end


def test_shutdown_ends_a_buffered_map_after_the_calls_that_were_sent() -> None:
    """The input may have no end."""
    executor = ProcessPoolExecutor(2, procession.get_context("fork"))
    results = executor.map(tasks.square, itertools.count(), buffersize=5)
    assert next(results) == 0
    executor.shutdown()
    with pytest.raises(RuntimeError, match="after shutdown"):
        list(results)


def test_after_shutdown_nothing_is_accepted(forked: Any) -> None:
    future = forked.submit(tasks.square, 3)
    forked.shutdown()
    assert future.result(0) == 9
    with pytest.raises(RuntimeError, match="after shutdown"):
        forked.submit(tasks.square, 3)
    with pytest.raises(RuntimeError, match="after shutdown"):
        forked.map(tasks.square, [3])


def test_shutdown_without_waiting_lets_the_calls_finish() -> None:
    executor = ProcessPoolExecutor(WORKERS, procession.get_context("fork"))
    started, go_on = procession.Queue(), procession.Queue()
    future = executor.submit(tasks.hold, started, go_on)
    executor.shutdown(wait=False)
    assert not future.done()
    go_on.put("finished")
    assert future.result(30) == "finished"


@pytest.mark.parametrize("how", ["terminate_workers", "kill_workers"])
def test_workers_can_be_ended(how: str) -> None:
    executor = ProcessPoolExecutor(WORKERS, procession.get_context("fork"))
    started, go_on = procession.Queue(), procession.Queue()
    futures = [executor.submit(tasks.hold, started, go_on) for _ in range(2 * WORKERS)]
    for _ in range(WORKERS):
        started.get(timeout=30)

    getattr(executor, how)()

    for future in futures:
        assert isinstance(future.exception(30), BrokenExecutor)
    with pytest.raises(RuntimeError, match="after shutdown"):
        executor.submit(tasks.square, 3)


def test_a_forgotten_executor_finishes_its_calls() -> None:
    executor = ProcessPoolExecutor(WORKERS, procession.get_context("fork"))
    futures = [executor.submit(tasks.square, n) for n in range(20)]
    del executor
    assert [future.result(30) for future in futures] == [n * n for n in range(20)]


def test_at_exit_the_calls_are_finished() -> None:
    code = (
        "import procession, sys\n"
        "from procession.futures import ProcessPoolExecutor\n"
        "box = procession.Queue()\n"
        "executor = ProcessPoolExecutor(2, procession.get_context('fork'))\n"
        "for n in range(50): executor.submit(box.put, n)\n"
        "procession.util.Finalize(None, lambda: print(box.qsize()), exitpriority=1)\n"
    )
    outcome = run_python(code)
    assert outcome.exitcode == 0, outcome.stderr
    assert outcome.stdout.strip() == "50"
    assert "Warning" not in outcome.stderr


# --------------------------------------------------------------------------------------- arguments


def test_workers_are_initialised_and_replaced() -> None:
    context = procession.get_context("fork")
    with ProcessPoolExecutor(
        1, context, tasks.remember, ("here",), max_tasks_per_child=2
    ) as executor:
        assert executor.submit(tasks.remembered).result(30) == ["here"]
        pids = [executor.submit(tasks.pid).result(30) for _ in range(4)]
    assert len(set(pids)) == 3


def test_a_failing_initializer_is_the_exception_of_each_future() -> None:
    context = procession.get_context("fork")
    with ProcessPoolExecutor(1, context, tasks.fail, ("initializer",)) as executor:
        for _ in range(2):
            with pytest.raises(ValueError, match="initializer"):
                executor.submit(tasks.square, 1).result(30)


def test_an_argument_that_cannot_be_sent_is_the_exception_of_the_future(forked: Any) -> None:
    with pytest.raises(TypeError, match="lock"):
        forked.submit(tasks.identity, threading.Lock()).result(30)


def test_a_killed_idle_worker_is_replaced(forked: Any) -> None:
    pid = forked.submit(tasks.pid).result(30)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: forked.submit(tasks.pid).result(30) != pid)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"max_workers": 0}, ValueError),
        ({"max_tasks_per_child": 0}, ValueError),
        ({"max_tasks_per_child": 1.5}, TypeError),
        ({"initializer": 5}, TypeError),
    ],
)
def test_arguments_are_checked(arguments: dict[str, Any], error: type[Exception]) -> None:
    with pytest.raises(error):
        ProcessPoolExecutor(**arguments)


def test_a_standard_context_means_ours_of_the_same_start_method() -> None:
    import multiprocessing

    with ProcessPoolExecutor(1, multiprocessing.get_context("fork")) as executor:
        assert executor.submit(tasks.process_name).result(30).startswith("ForkPoolWorker")
