"""Queues that are shut down: `queue.Queue.shutdown`, for processes."""

import queue
import threading
from typing import Any

import pytest

import procession
from procession.queues import ShutDown

KINDS = ("Queue", "JoinableQueue", "SimpleQueue")


@pytest.fixture(params=KINDS)
def box(request: Any) -> Any:
    return getattr(procession, request.param)()


def test_the_exception_is_that_of_the_standard_library_where_it_has_one() -> None:
    assert getattr(queue, "ShutDown", ShutDown) is ShutDown
    assert ShutDown.__name__ == "ShutDown"


def test_what_is_there_can_still_be_taken(box: Any) -> None:
    box.put(1)
    box.put([2])
    box.shutdown()

    with pytest.raises(ShutDown):
        box.put(3)
    assert [box.get(), box.get()] == [1, [2]]
    with pytest.raises(ShutDown):
        box.get()
    with pytest.raises(ShutDown):
        box.get(False)


def test_shut_down_at_once_drops_what_is_there(box: Any) -> None:
    usage = procession._core.arena_usage
    before = usage()["used"]
    for _ in range(100):
        box.put(b"x" * 50_000)
    box.shutdown(immediate=True)

    assert box.qsize() == 0
    assert box.empty()
    assert usage()["used"] <= before + 200_000  # segments at most
    with pytest.raises(ShutDown):
        box.get()
    with pytest.raises(ShutDown):
        box.put(1)


def test_a_second_shutdown_may_only_be_harsher(box: Any) -> None:
    box.put(1)
    box.shutdown()
    box.shutdown(immediate=True)
    with pytest.raises(ShutDown):
        box.get()
    box.shutdown()
    with pytest.raises(ShutDown):
        box.get()


def test_a_full_queue_that_is_shut_down_is_no_longer_full() -> None:
    box = procession.Queue(1)
    box.put(1)
    box.shutdown()
    with pytest.raises(ShutDown):
        box.put(2, timeout=0)


def _get(box: Any, answer: Any) -> None:
    try:
        answer.put(box.get())
    except ShutDown:
        answer.put("shut down")


def _put(box: Any, answer: Any) -> None:
    try:
        answer.put(box.put("more"))
    except ShutDown:
        answer.put("shut down")


@pytest.mark.parametrize("immediate", [False, True])
def test_it_ends_the_waits_of_other_processes(ctx: Any, immediate: bool) -> None:
    empty, full, answer = ctx.Queue(), ctx.Queue(1), ctx.Queue()
    full.put("first")
    children = [ctx.Process(target=_get, args=(empty, answer)) for _ in range(2)]
    children += [ctx.Process(target=_put, args=(full, answer)) for _ in range(2)]
    for child in children:
        child.start()

    empty.shutdown(immediate)
    full.shutdown(immediate)

    assert [answer.get(timeout=20) for _ in children] == ["shut down"] * 4
    for child in children:
        child.join()


def test_it_wakes_threads_that_sleep_already() -> None:
    box = procession.Queue()
    seen: list[str] = []

    def wait() -> None:
        with pytest.raises(ShutDown):
            box.get()
        seen.append("woken")

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    box.shutdown()
    for thread in threads:
        thread.join(timeout=20)
    assert seen == ["woken"] * 3


def test_joining_after_an_end_at_once_waits_only_for_what_was_taken() -> None:
    box = procession.JoinableQueue()
    for n in range(5):
        box.put(n)
    box.get()
    box.shutdown(immediate=True)

    assert not box.wait_done(0)
    box.task_done()
    box.join()
    with pytest.raises(ValueError, match="too many times"):
        box.task_done()


def test_joining_after_an_orderly_end_waits_for_all() -> None:
    box = procession.JoinableQueue()
    box.put(1)
    box.put(2)
    box.shutdown()
    box.get()
    box.task_done()
    assert not box.wait_done(0)
    box.get()
    box.task_done()
    box.join()


def test_it_ends_a_join() -> None:
    box = procession.JoinableQueue()
    box.put(1)
    joiner = threading.Thread(target=box.join)
    joiner.start()
    box.shutdown(immediate=True)
    joiner.join(timeout=20)
    assert not joiner.is_alive()


def _take_until_the_end(box: Any, answer: Any) -> None:
    answer.put(sorted(box.iter_until_closed()))


def test_iteration_ends_with_the_queue(ctx: Any) -> None:
    box, answer = ctx.Queue(), ctx.Queue()
    child = ctx.Process(target=_take_until_the_end, args=(box, answer))
    child.start()
    box.put_many(range(1000))
    box.shutdown()

    assert answer.get(timeout=20) == list(range(1000))
    child.join()


def test_iteration_ends_when_the_own_process_closes() -> None:
    box = procession.Queue()
    box.put(1)
    items = box.iter_until_closed()
    assert next(items) == 1
    box.close()
    assert list(items) == []


def test_a_shut_down_queue_is_ready_to_be_waited_for() -> None:
    box = procession.Queue()
    box.shutdown()
    assert procession.connection.wait([box], timeout=0) == [box]
    assert box.is_shut_down
