"""Kills in the midst of batches, of a shutdown, and of waiting for queues beside descriptors."""

import queue as standard_queue
import signal
from typing import Any

import pytest

import procession
from procession.connection import wait
from procession.queues import ShutDown
from tests.crash.kills import kill_at_every_passage, killed_after_another
from tests.support.crash import crash_points, kill_child_at
from tests.support.kill import WITHIN, memory_unchanged

BATCH = [f"{n}:" + "x" * (n * 37 % 1500) for n in range(60)]  # several segments


def drain(queue: Any) -> list[Any]:
    """Return what is in the queue, in order, taken by ones and in batches."""
    items: list[Any] = []
    while True:
        try:
            items += queue.get_many(7, timeout=0)
            items.append(queue.get(timeout=0))
        except standard_queue.Empty:
            return items


@pytest.mark.parametrize("point", crash_points("channel.put_batch."))
@pytest.mark.parametrize("passage", [1, 2, 3])
def test_a_killed_batch_is_a_beginning_of_it(ctx: Any, point: str, passage: int) -> None:
    """What a killed put_many() has put is a prefix of the batch; later items follow it."""
    queue = ctx.Queue()
    queue.put("before")

    exitcode = kill_child_at(ctx, point, queue.put_many, (BATCH,), passage=passage)

    assert exitcode == -signal.SIGKILL
    queue.put_many(["after", "at last"])
    first, *middle, after, last = drain(queue)
    assert (first, after, last) == ("before", "after", "at last")
    assert middle == BATCH[: len(middle)]
    assert middle or passage == 1


@pytest.mark.parametrize("point", crash_points("channel.get_batch."))
def test_a_killed_get_many_takes_one_batch_or_none(ctx: Any, point: str) -> None:
    """What it had not committed is there for others, whole and in order."""
    queue = ctx.Queue()
    queue.put_many(BATCH)

    exitcode = kill_child_at(ctx, point, queue.get_many, (5,))

    assert exitcode == -signal.SIGKILL
    queue.put("after")
    left = drain(queue)
    assert left.pop() == "after"
    assert left == BATCH[len(BATCH) - len(left) :]
    assert 1 <= len(BATCH) - len(left) <= 5 or left == BATCH


@pytest.mark.parametrize("point", crash_points("channel.put_batch."))
def test_the_next_putter_repairs_what_a_killed_batch_left(point: str) -> None:
    """The offset that lags by a whole batch is found by whoever comes next, killed in turn."""
    ctx = procession.get_context("fork")

    def kill_at(passage: int) -> bool:
        queue = ctx.Queue()

        def batch() -> None:
            procession._core.crash_arm(point, passage)
            queue.put_many(BATCH)

        def victim() -> None:
            procession._core.crash_arm("channel.put.repaired", 1)
            queue.put("second")

        killed_after_another(victim, _dying(batch))
        queue.put("third")
        items = drain(queue)
        assert items.pop() == "third"
        assert [item for item in items if item != "second"] == BATCH[: len(items)]
        return passage < 3

    kill_at_every_passage(kill_at, most=3)


def _dying(work: Any) -> Any:
    def run() -> None:
        work()
        signal.raise_signal(signal.SIGKILL)

    return run


@pytest.mark.parametrize("immediate", [False, True])
@pytest.mark.parametrize(
    "point", [*crash_points("channel.shut_down."), "channel.discard_rest.taken"]
)
def test_a_killed_shutdown_has_happened_or_not(ctx: Any, point: str, immediate: bool) -> None:
    """Either the queue goes on, or it is shut down for all; then nothing more can be put."""
    queue = ctx.JoinableQueue()
    queue.put_many([b"payload" * 2000, 1, b"payload" * 2000])

    exitcode = kill_child_at(ctx, point, queue.shutdown, (immediate,))

    if exitcode == 0:
        assert point.startswith("channel.discard_rest")
        assert not immediate
    if point.endswith("before_commit"):
        queue.put("more")
        assert queue.qsize() == 4
        return
    with pytest.raises(ShutDown):
        queue.put("more")
    if immediate:
        with pytest.raises(ShutDown):
            queue.get()
        assert queue.wait_done(WITHIN)
    else:
        assert len(queue.get_many(3)) == 3


def test_what_a_killed_dropper_left_is_dropped_by_who_comes_next() -> None:
    ctx = procession.get_context("fork")
    with memory_unchanged():
        queue = ctx.Queue()
        queue.put_many([b"payload" * 2000] * 10)
        point = "channel.discard_rest.taken"
        assert kill_child_at(ctx, point, queue.shutdown, (True,), passage=4) == -signal.SIGKILL
        with pytest.raises(ShutDown):
            queue.get()
        assert queue.put_count == queue.got_count
        del queue


@pytest.mark.parametrize("point", crash_points("waker."))
def test_a_waiter_killed_anywhere_keeps_no_place_and_no_item(ctx: Any, point: str) -> None:
    """Its place on the board is free again; others that wait are still told."""
    queue = ctx.Queue()

    exitcode = kill_child_at(ctx, point, _wait_and_ring, (queue,))

    assert exitcode == -signal.SIGKILL
    procession._core.reap()
    assert procession._core.arena_usage()["bells"] == 0
    if queue.empty():
        queue.put("item")
    assert wait([queue], timeout=WITHIN) == [queue]
    assert queue.get() in ("item", "rung")


def _wait_and_ring(queue: Any) -> None:
    """Pass all points of the board: the descriptor of a queue is armed, then rung."""
    assert queue.bell_fd() >= 0
    queue.put("rung")


def test_a_ring_that_was_lost_with_its_ringer_costs_a_slice(ctx: Any) -> None:
    """The item is committed, its putter killed before it could ring: the waiter finds it."""
    queue = ctx.Queue()
    there = ctx.Queue()
    waiter = ctx.Process(target=_report_wait, args=(queue, there))
    waiter.start()
    assert there.get(timeout=20) == "waiting"

    kill_child_at(ctx, "waker.before_send", queue.put, ("item",))

    assert there.get(timeout=20) is True
    waiter.join()


def _report_wait(queue: Any, there: Any) -> None:
    there.put("waiting")
    there.put(wait([queue], timeout=20) == [queue])


@pytest.mark.parametrize("point", crash_points("owned_lock."))
def test_a_queues_own_lock_is_made_once_whoever_is_killed(ctx: Any, point: str) -> None:
    queue = ctx.Queue()

    assert kill_child_at(ctx, point, queue.owned_lock, (0,)) == -signal.SIGKILL

    place = queue.owned_lock(0)
    assert place == queue.owned_lock(0)
    with queue._rlock:
        assert not queue._rlock.acquire(timeout=0)
