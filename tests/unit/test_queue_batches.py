"""`put_many` and `get_many`."""

import queue
from typing import Any

import numpy as np
import pytest

import procession


@pytest.fixture
def box() -> Any:
    return procession.Queue()


def take(box: Any, count: int, limit: int = 1000) -> list[Any]:
    """*count* items, in as many batches as it takes."""
    items: list[Any] = []
    while len(items) < count:
        batch = box.get_many(limit)
        assert 1 <= len(batch) <= limit
        items += batch
    return items


def test_a_batch_comes_out_whole_and_in_order(box: Any) -> None:
    items = [n if n % 3 else ("s" * (n % 2500), n) for n in range(5000)]
    assert box.put_many(items) == 5000
    assert box.qsize() == 5000
    assert take(box, 5000) == items
    assert box.qsize() == 0


def test_batches_and_single_items_mix(box: Any) -> None:
    box.put("first")
    box.put_many(iter(["second", "third"]))
    box.put("fourth")
    assert box.get() == "first"
    assert box.get_many(2) == ["second", "third"]
    assert box.get_many(2) == ["fourth"]


def test_large_and_small_items_keep_their_order(box: Any) -> None:
    items = [n if n % 2 else np.full(20_000, n) for n in range(40)]
    box.put_many(items)
    for sent, got in zip(items, take(box, 40, limit=7), strict=True):
        assert np.array_equal(sent, got)


def test_an_empty_batch_puts_nothing(box: Any) -> None:
    assert box.put_many([]) == 0
    assert box.empty()


def test_what_cannot_be_pickled_leaves_the_whole_batch_out(box: Any) -> None:
    with pytest.raises(TypeError, match="lock"):
        box.put_many([1, np.zeros(10_000), {"held": __import__("threading").Lock()}, 2])
    assert box.empty()


def test_a_bounded_queue_takes_what_it_has_room_for() -> None:
    box = procession.Queue(3)
    assert box.put_many(range(10), timeout=0) == 3
    with pytest.raises(queue.Full):
        box.put_many([1], block=False)
    assert box.get_many(10) == [0, 1, 2]


def _take_all(box: Any, answer: Any) -> None:
    answer.put([item for _ in range(200) for item in box.get_many(1)])


def test_a_batch_larger_than_the_queue_waits_for_room(ctx: Any) -> None:
    box, answer = ctx.Queue(7), ctx.Queue()
    child = ctx.Process(target=_take_all, args=(box, answer))
    child.start()
    assert box.put_many(range(200)) == 200
    assert answer.get(timeout=20) == list(range(200))
    child.join()


def test_nothing_to_get(box: Any) -> None:
    with pytest.raises(queue.Empty):
        box.get_many(5, block=False)
    with pytest.raises(queue.Empty):
        box.get_many(5, timeout=0.02)
    for wrong in (0, -1):
        with pytest.raises(ValueError, match="1 or more"):
            box.get_many(wrong)


class Refuses:
    """Pickles, but does not come back."""

    def __reduce__(self) -> Any:
        return int, ("no number",)


def test_one_that_cannot_be_rebuilt_costs_none_of_the_others(box: Any) -> None:
    box.put_many([1, Refuses(), 2, 3])
    with pytest.raises(ValueError, match="no number") as caught:
        box.get_many(3)
    assert caught.value.items == [1, 2]
    assert box.get_many(3) == [3]


def test_a_closed_queue_refuses_batches(box: Any) -> None:
    box.close()
    with pytest.raises(ValueError, match="is closed"):
        box.put_many([1])
    with pytest.raises(ValueError, match="is closed"):
        box.get_many(1)
