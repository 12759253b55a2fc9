"""Queues and the processes that are killed in the middle of an operation, of each start method.

The points of the put side and of the get side are read from the core's sources; those of the
journal are passed by messages too large for the record itself, those of payloads by messages that
carry other shared objects.
"""

import signal
from typing import Any

import pytest

import procession
from procession import _core
from procession.queues import ShutDown
from tests.crash.kills import kill_at_every_passage, killed_after_another
from tests.crash.scenarios import Operation, drained, each_passage
from tests.support.crash import crash_points, kill_child_at
from tests.support.kill import WITHIN, memory_unchanged

SMALL = "small"
LARGE = b"large" * 20_000  # bytes that go into a block of their own
BATCH = [f"{n}:" + "x" * (n * 37 % 1500) for n in range(60)]  # several segments
NUMBERS = [f"{n}:" + "x" * (n * 7 % 900) for n in range(1000)]


def points(*prefixes: str) -> list[str]:
    """Return the points with these prefixes, less those that only a successor's repair passes."""
    found = [name for prefix in prefixes for name in crash_points(prefix)]
    return [name for name in found if not name.endswith(".repaired")]


PUT_POINTS = points("channel.put.", "journal.")
GET_POINTS = points("channel.get.", "journal.")

# -------------------------------------------------------------- what a killed operation may leave


def put_large(queue: Any) -> None:
    """Put a message with a block of its own."""
    queue.put(LARGE)


def put_small(queue: Any) -> None:
    """Put a message that lies in the record itself."""
    queue.put(SMALL)


def get(queue: Any) -> None:
    """Take one message."""
    queue.get()


def put_numbers(queue: Any) -> None:
    """Put many messages that can be told apart, of varying size, over several segments."""
    for number in NUMBERS:
        queue.put(number)


def send_batch(queue: Any) -> None:
    """Put a batch."""
    queue.put_many(BATCH)


def get_batch(queue: Any) -> None:
    """Take a batch."""
    queue.get_many(5)


def is_a_beginning_behind_one(left: list[Any]) -> bool:
    """Whether the queue has what was there, and a prefix of the batch."""
    return left[0] == "before" and left[1:] == BATCH[: len(left) - 1]


def is_without_one_batch(left: list[Any]) -> bool:
    """Whether at most five are gone, the first ones."""
    gone = len(BATCH) - len(left)
    return 0 <= gone <= 5 and left == BATCH[gone:]


OPERATIONS = {
    "a killed put is whole or absent": Operation(
        PUT_POINTS, ["before"], put_large, [["before"], ["before", LARGE]].__contains__
    ),
    "a killed get takes one message or none": Operation(
        GET_POINTS,
        [LARGE, "second", "third"],
        get,
        [[LARGE, "second", "third"], ["second", "third"]].__contains__,
    ),
    "a small message that was not committed is absent": Operation(
        crash_points("channel.put.before_commit"), [], put_small, [[]].__contains__
    ),
    **{
        f"the messages before the killed put are there, passage {passage}": Operation(
            ["channel.put.before_commit"],
            [],
            put_numbers,
            [NUMBERS[: passage - 1]].__contains__,
            (passage,),
        )
        for passage in (1, 20, 400)
    },
    "of a killed put_many a beginning is there": Operation(
        crash_points("channel.put_batch."),
        ["before"],
        send_batch,
        is_a_beginning_behind_one,
        batches=True,
    ),
    "of a killed put_many what was committed before is there": Operation(
        crash_points("channel.put_batch."),
        ["before"],
        send_batch,
        lambda left: is_a_beginning_behind_one(left) and len(left) > 1,
        (2, 3),
        batches=True,
    ),
    "a killed get_many takes one batch or none": Operation(
        crash_points("channel.get_batch."), BATCH, get_batch, is_without_one_batch, batches=True
    ),
}


@pytest.mark.parametrize(("operation", "point", "passage"), list(each_passage(OPERATIONS)))
def test_a_queue_outlives_a_process_killed_anywhere(
    ctx: Any, operation: Operation, point: str, passage: int
) -> None:
    """What was put before and after is intact; what the killed operation leaves is in the table."""
    operation.run(ctx, point, passage)


@pytest.mark.parametrize("point", points("payload.", *PUT_POINTS))
def test_a_queue_in_a_message_outlives_its_sender_killed_anywhere(ctx: Any, point: str) -> None:
    """A shared object that was under way belongs to the message, or still to those who had it."""
    queue, cargo = ctx.Queue(), ctx.SimpleQueue()
    cargo.put("inside")

    exitcode = kill_child_at(ctx, point, target=queue.put, args=([cargo, LARGE],))

    assert exitcode == -signal.SIGKILL
    for received, large in drained(queue):
        assert large == LARGE
        received.put("through the copy")
        cargo.get()
    assert cargo.get() in ("inside", "through the copy")


@pytest.mark.parametrize("point", sorted({*PUT_POINTS, *GET_POINTS}))
def test_kills_do_not_make_the_arena_grow(point: str) -> None:
    """What a killed process held is reclaimed: forty kills leave no more in use than ten."""
    kill_ten(point)
    used = _core.arena_usage()["used"]

    for _ in range(3):
        kill_ten(point)

    assert _core.arena_usage()["used"] <= used


def kill_ten(point: str) -> None:
    """Kill ten children in turn that use one queue, and give the queue up."""
    ctx = procession.get_context("fork")
    queue = ctx.Queue()
    for _ in range(10):
        queue.put(LARGE)
        assert kill_child_at(ctx, point, target=put_and_get, args=(queue,)) == -signal.SIGKILL
        drained(queue)
    del queue
    _core.reclaim_dead()


def put_and_get(queue: Any) -> None:
    """Pass the points of both sides."""
    queue.put(LARGE)
    queue.get()


@pytest.mark.parametrize("point", crash_points("channel.put_batch."))
def test_the_next_putter_repairs_what_a_killed_batch_left(point: str) -> None:
    """The offset that lags by a whole batch is found by whoever comes next, killed in turn."""
    ctx = procession.get_context("fork")

    def kill_at(passage: int) -> bool:
        queue = ctx.Queue()

        def batch() -> None:
            procession._core.crash_arm(point, passage)
            queue.put_many(BATCH)

        def dying() -> None:
            procession._core.crash_arm("channel.put.repaired", 1)
            queue.put("second")

        killed_after_another(dying, _dying(batch))
        queue.put("third")
        items = drained(queue, batches=True)
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
        assert queue.qsize() == 0
        del queue


@pytest.mark.parametrize("point", crash_points("owned_lock."))
def test_a_queues_own_lock_is_made_once_whoever_is_killed(ctx: Any, point: str) -> None:
    queue = ctx.Queue()

    assert kill_child_at(ctx, point, queue.owned_lock, (0,)) == -signal.SIGKILL

    place = queue.owned_lock(0)
    assert place == queue.owned_lock(0)
    with queue._rlock:
        assert not queue._rlock.acquire(timeout=0)
