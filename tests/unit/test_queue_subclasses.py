"""Queues of a program's own classes: what they add to the state travels with them."""

from typing import Any

import pytest

import procession
from procession.queues import JoinableQueue, Queue, SimpleQueue


class Counting(Queue):
    """What many programs have: a queue with a counter beside it."""

    def __init__(self, *, ctx: Any) -> None:
        super().__init__(ctx=ctx)
        self.count = ctx.Value("i", 0)

    def __getstate__(self) -> Any:
        return {"parent_state": super().__getstate__(), "count": self.count}

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state["parent_state"])
        self.count = state["count"]

    def put(self, obj: Any, block: bool = True, timeout: float | None = None) -> None:
        super().put(obj, block, timeout)
        self.count.add(1)


class Labelled(SimpleQueue):
    """Another pattern: one more item in the tuple of the state."""

    label = ""

    def __getstate__(self) -> Any:
        return (*super().__getstate__(), self.label)

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state[:-1])
        self.label = state[-1]


class Waking(JoinableQueue):
    """One that has to do something when it arrives."""

    arrived = False

    def __setstate__(self, state: Any) -> None:
        super().__setstate__(state)
        self.arrived = True


def answer(queue: Any) -> None:
    for attribute in ("label", "arrived"):
        queue.put(getattr(queue, attribute, None))


def test_a_subclass_adds_to_the_state(ctx: Any) -> None:
    queue = Counting(ctx=ctx)
    process = ctx.Process(target=answer, args=(queue,))
    process.start()
    process.join(30)
    process.close()

    assert (queue.get(), queue.get(), queue.count.value) == (None, None, 2)


def test_a_subclass_adds_an_item_to_the_state(ctx: Any) -> None:
    queue = Labelled(ctx=ctx)
    queue.label = "it"
    process = ctx.Process(target=answer, args=(queue,))
    process.start()
    process.join(30)
    process.close()

    assert queue.get() == "it"


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_subclass_is_told_that_it_has_arrived(method: str) -> None:
    ctx: Any = procession.get_context(method)
    queue = Waking(ctx=ctx)
    process = ctx.Process(target=answer, args=(queue,))
    process.start()
    process.join(30)
    process.close()

    assert (queue.get(), queue.get()) == (None, True)


def test_the_state_is_sent_in_messages() -> None:
    carrier: Any = procession.SimpleQueue()
    queue = Labelled()
    queue.label = "it"
    carrier.put(queue)

    assert carrier.get().label == "it"
