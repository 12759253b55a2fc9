"""Queues: the documented calls, and what the standard package's queues cannot do."""

import os
import queue
import signal
import sys
import threading
import time
import types
from typing import Any

import numpy as np
import pytest

import procession
from tests.support import tasks


def put_all(box: Any, items: Any) -> None:
    """Run in a child: put each."""
    for item in items:
        box.put(item)


def echo(there: Any, back: Any) -> None:
    """Run in a child: send each item back, until None comes."""
    while (item := there.get()) is not None:
        back.put(item)


# ------------------------------------------------------------------------------------ plain calls


@pytest.mark.parametrize(
    "item",
    [
        *(None, True, False, 0, -1, 2**63 - 1, -(2**63), 2**100, 1.5, float("inf")),
        *("", "ä", "\ud800", b"", b"x" * 5000, "y" * 100_000),
        *((1, "two", [3.0]), {"key": {1, 2}}, range(5)),
    ],
    ids=repr,
)
def test_what_is_put_comes_out_equal_and_of_the_same_type(item: Any) -> None:
    box = procession.Queue()
    box.put(item)
    out = box.get(timeout=10)
    assert out == item
    assert type(out) is type(item)


def test_items_come_out_in_the_order_they_went_in() -> None:
    box = procession.Queue()
    items: list[Any] = [n if n % 3 else "s" * (n % 5000) for n in range(5000)]
    for item in items:
        box.put(item)
    assert [box.get() for _ in items] == items


def test_an_empty_queue() -> None:
    box = procession.Queue()
    assert box.empty()
    assert box.qsize() == 0
    with pytest.raises(queue.Empty):
        box.get_nowait()
    with pytest.raises(queue.Empty):
        box.get(block=False)


def test_a_full_queue() -> None:
    box = procession.Queue(maxsize=2)
    box.put("first")
    assert not box.full()
    box.put(obj="second", block=True, timeout=1)
    assert box.full()
    with pytest.raises(queue.Full):
        box.put_nowait("third")
    box.get()
    box.put_nowait("third")
    assert [box.get(), box.get()] == ["second", "third"]


@pytest.mark.parametrize("timeout", [0.05, 0, -1])
def test_waits_end_in_time(timeout: float) -> None:
    box = procession.Queue(1)
    before = time.monotonic()
    with pytest.raises(queue.Empty):
        box.get(timeout=timeout)
    box.put(1)
    with pytest.raises(queue.Full):
        box.put(2, timeout=timeout)
    assert time.monotonic() - before >= 2 * max(timeout, 0)


def test_wrong_arguments_are_errors() -> None:
    box = procession.Queue()
    with pytest.raises(TypeError):
        box.put()
    with pytest.raises(TypeError):
        box.get(timeout="soon")
    with pytest.raises(TypeError, match="unexpected keyword"):
        box.get(blocking=True)
    with pytest.raises(ValueError, match="NaN"):
        box.get(timeout=float("nan"))


def test_a_closed_queue_says_so() -> None:
    box = procession.Queue()
    box.close()
    with pytest.raises(ValueError, match=r"Queue .* is closed"):
        box.put(1)
    with pytest.raises(ValueError, match=r"Queue .* is closed"):
        box.get()
    box.join_thread()


def test_emptiness_of_a_closed_queue_is_an_error_if_it_was_used() -> None:
    unused, used = procession.Queue(), procession.Queue()
    unused.close()
    assert unused.empty()
    used.put(1)
    used.close()
    with pytest.raises(OSError, match="is closed"):
        used.empty()


def test_emptiness_of_a_closed_simple_queue_is_an_error() -> None:
    box = procession.SimpleQueue()
    box.close()
    with pytest.raises(OSError, match="is closed"):
        box.empty()


def test_closing_is_the_callers_own_affair(ctx: Any) -> None:
    """Others still find what was put before."""
    box, answer = ctx.Queue(), ctx.Queue()
    box.put("left behind")
    process = ctx.Process(target=_forward, args=(box, answer))
    process.start()
    box.close()
    assert answer.get(timeout=30) == "left behind"
    process.join()


def test_what_one_context_makes_serves_another(ctx: Any) -> None:
    """The standard package refuses that; here a reference to a queue is just a number."""
    other = procession.get_context("spawn" if ctx.get_start_method() == "fork" else "fork")
    box, answer = other.Queue(), other.Queue()
    process = ctx.Process(target=_forward, args=(box, answer))
    process.start()
    box.put("across")
    assert answer.get(timeout=30) == "across"
    process.join()


def _forward(box: Any, answer: Any) -> None:
    answer.put(box.get(timeout=30))


def test_joining_a_queue_waits_for_each_item(ctx: Any) -> None:
    box = ctx.JoinableQueue()
    for n in range(10):
        box.put(n)
    process = ctx.Process(target=_work_off, args=(box, 10))
    process.start()
    box.join()
    assert box.empty()
    with pytest.raises(ValueError, match="too many times"):
        box.task_done()
    process.join()


def _work_off(box: Any, count: int) -> None:
    for _ in range(count):
        box.get(timeout=30)
        box.task_done()


def test_a_simple_queue(ctx: Any) -> None:
    there, back = ctx.SimpleQueue(), ctx.SimpleQueue()
    process = ctx.Process(target=echo, args=(there, back))
    process.start()
    for item in (1, "two", [3]):
        there.put(item)
        assert back.get() == item
    there.put(None)
    process.join()
    assert back.empty()


# -------------------------------------------------------------- what the standard package cannot do


def test_put_then_join_then_get_of_any_size(ctx: Any) -> None:
    """Wish 4: the standard package dead-locks, as its feeder waits for a reader."""
    box = ctx.Queue()
    items = [b"x" * (1 << 20), "small", b"y" * (10 << 20)]
    process = ctx.Process(target=put_all, args=(box, items))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert [box.get(timeout=10) for _ in items] == items


def test_what_cannot_be_pickled_raises_in_put_and_names_the_culprit() -> None:
    """Wish 5, gh-84376: the standard package's put succeeds and the item vanishes."""
    box = procession.Queue()
    with pytest.raises(TypeError, match=r"obj\['db'\]\[1\] is a lock.*use the Lock of"):
        box.put({"db": [1, threading.Lock()]})
    assert box.empty()
    box.put("fine")
    assert box.get(timeout=10) == "fine"


def test_what_cannot_be_rebuilt_raises_in_its_get_alone() -> None:
    box = procession.Queue()
    box.put(tasks.Unbuildable())
    box.put("next")
    with pytest.raises(ValueError, match="cannot be rebuilt") as caught:
        box.get(timeout=10)
    assert "tests.support.tasks." in caught.value.__notes__[0]  # the type is named
    assert box.get(timeout=10) == "next"


def test_what_cannot_be_found_is_named_large_or_small() -> None:
    """The class is gone when its objects are received, as in a worker that lacks a module."""
    box = procession.Queue()
    module = types.ModuleType("vanishing")
    exec("class Thing: pass", module.__dict__)
    sys.modules["vanishing"] = module
    module.Thing.__module__ = "vanishing"
    box.put(module.Thing())
    box.put([module.Thing(), np.zeros(10_000)])
    del sys.modules["vanishing"]
    for _ in range(2):
        with pytest.raises(ModuleNotFoundError, match="vanishing") as caught:
            box.get()
        assert "vanishing.Thing" in caught.value.__notes__[0]
    assert box.empty()


def test_sizes_agree_as_soon_as_put_has_returned() -> None:
    """Wish 27, gh-87302."""
    box = procession.Queue()
    for n in range(1, 100):
        box.put(n)
        assert box.qsize() == n
        assert not box.empty()


def test_a_queue_is_sent_through_a_queue(ctx: Any) -> None:
    """Wish 21. The sender may let go of it as soon as put has returned."""
    letters, answer = ctx.Queue(), ctx.Queue()
    process = ctx.Process(target=_use_what_comes, args=(letters, answer))
    process.start()
    inner = ctx.Queue()
    inner.put("from the sender")
    letters.put([inner, inner])
    del inner
    assert answer.get(timeout=30) == "from the sender"
    back = answer.get(timeout=30)
    assert back.get(timeout=30) == "from the receiver"
    process.join()


def _use_what_comes(letters: Any, answer: Any) -> None:
    one, two = letters.get(timeout=30)
    answer.put(one.get(timeout=30))
    two.put("from the receiver")
    answer.put(two)


def test_a_large_array_is_copied_once_and_received_in_place() -> None:
    box = procession.Queue()
    sent = np.arange(1_000_000, dtype=np.float64)
    box.put({"array": sent, "name": "large"})
    sent[:] = 0  # the message has a copy of its own
    received = box.get(timeout=10)["array"]
    assert received[999_999] == 999_999
    assert not received.flags.owndata
    received += 1
    assert received[0] == 1


def test_an_array_outlives_its_queue_and_gives_its_memory_back() -> None:
    from procession import _core

    before = _core.arena_usage()["used"]
    box = procession.Queue()
    box.put(np.ones(1_000_000))
    received = box.get(timeout=10)
    del box
    assert received.sum() == 1_000_000
    assert _core.arena_usage()["used"] >= before + received.nbytes
    del received
    assert _core.arena_usage()["used"] == before


def test_a_queue_dropped_with_messages_gives_all_memory_back() -> None:
    from procession import _core

    before = _core.arena_usage()["used"]
    box, inner = procession.Queue(), procession.Queue()
    for n in range(1000):
        box.put("x" * (n * 7 % 4000))
        box.put([inner, n])
    box.get()
    del box, inner
    assert _core.arena_usage()["used"] == before


def test_ten_thousand_queues_take_no_descriptor_and_give_their_memory_back() -> None:
    from procession import _core

    def make_and_drop() -> int:
        before = set(os.listdir("/proc/self/fd"))
        queues = [procession.Queue() for _ in range(10_000)]
        for box in queues[::100]:
            box.put("used")
        assert set(os.listdir("/proc/self/fd")) == before
        del queues, box
        return _core.arena_usage()["used"]

    assert make_and_drop() == make_and_drop()  # the first lets the list of references grow


def test_a_signal_handler_may_put_what_the_same_thread_waits_for() -> None:
    box = procession.Queue()
    before = signal.signal(signal.SIGUSR1, lambda *_: box.put("from the handler"))
    try:
        killer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGUSR1))
        killer.start()
        assert box.get(timeout=30) == "from the handler"
        killer.join()
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_handler_that_raises_ends_the_wait() -> None:
    box = procession.Queue()
    killer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    killer.start()
    with pytest.raises(KeyboardInterrupt):
        box.get(timeout=30)
    killer.join()


def test_many_at_both_ends(ctx: Any) -> None:
    box, out = ctx.Queue(maxsize=7), ctx.Queue()
    producers = [ctx.Process(target=put_all, args=(box, range(n, 200, 2))) for n in range(2)]
    consumers = [ctx.Process(target=echo, args=(box, out)) for _ in range(2)]
    for process in producers + consumers:
        process.start()
    for process in producers:
        process.join()
    for _ in consumers:
        box.put(None)
    assert sorted(out.get(timeout=30) for _ in range(200)) == list(range(200))
    for process in consumers:
        process.join()
