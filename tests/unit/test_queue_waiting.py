"""Waiting for queues and descriptors together, and a queue's own descriptor."""

import os
import select
import threading
import time
from typing import Any

import pytest

import procession
from procession.connection import wait
from tests.support.kill import Child
from tests.support.waiting import wait_until


def is_readable(fd: int, seconds: float = 0) -> bool:
    return bool(select.select([fd], [], [], seconds)[0])


def put_later(box: Any, item: Any) -> None:
    """Run in a child."""
    box.put(item)


# ------------------------------------------------------------------------------------------- wait


def test_queues_pipes_and_sentinels_mix(ctx: Any) -> None:
    first, second, (reader, writer) = ctx.Queue(), ctx.SimpleQueue(), ctx.Pipe(duplex=False)
    child = ctx.Process(target=put_later, args=(second, "from afar"))
    assert wait([first, second, reader], timeout=0) == []
    child.start()

    assert wait([first, second, reader], timeout=20) == [second]
    assert wait([first, child.sentinel], timeout=20) == [child.sentinel]
    writer.send(1)
    assert wait([first, reader, second], timeout=20) == [reader, second]
    assert second.get() == "from afar"
    child.join()
    reader.close()
    writer.close()


def test_it_takes_as_long_as_it_is_told() -> None:
    box = procession.Queue()
    before = time.monotonic()
    assert wait([box], timeout=0.3) == []
    assert time.monotonic() - before >= 0.3


def test_many_queues_take_one_descriptor() -> None:
    boxes = [procession.Queue() for _ in range(2000)]
    boxes[1234].put(1)
    assert wait(boxes, timeout=5) == [boxes[1234]]


def test_threads_that_wait_for_different_queues_do_not_take_each_others_wake_ups() -> None:
    boxes = [procession.Queue() for _ in range(8)]
    answers = procession.Queue()

    def watch(number: int) -> None:
        for _ in range(50):
            assert wait([boxes[number]], timeout=20) == [boxes[number]]
            answers.put((number, boxes[number].get()))

    threads = [threading.Thread(target=watch, args=(n,)) for n in range(8)]
    for thread in threads:
        thread.start()
    for turn in range(50):
        for box in boxes:
            box.put(turn)
        assert sorted(answers.get(timeout=20) for _ in boxes) == [(n, turn) for n in range(8)]
    for thread in threads:
        thread.join()


def test_two_waits_for_one_queue_both_end() -> None:
    box = procession.Queue()
    told = procession.Queue()
    threads = [
        threading.Thread(target=lambda: told.put(wait([box], timeout=20) == [box]))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    box.put(1)
    assert [told.get(timeout=20) for _ in threads] == [True, True]
    for thread in threads:
        thread.join()


def test_a_queue_twice_and_a_closed_one_are_refused() -> None:
    box = procession.Queue()
    with pytest.raises(KeyError, match="twice"):
        wait([box, box])
    box.close()
    with pytest.raises(OSError, match="closed"):
        wait([box])


@pytest.mark.orphans
def test_places_of_killed_waiters_are_given_back() -> None:
    box = procession.Queue()
    usage = procession._core.arena_usage
    for _ in range(5):
        child = Child(lambda: wait([box]))
        wait_until(lambda: usage()["wakers"] == 1)
        child.kill()
        child.wait()
        assert usage()["wakers"] == 0
    box.put(1)
    assert wait([box], timeout=5) == [box]


# ------------------------------------------------------------------------ a descriptor of its own


def test_the_descriptor_is_readable_while_there_is_something(ctx: Any) -> None:
    box = ctx.Queue()
    fd = box._reader.fileno()
    assert not is_readable(fd)
    child = ctx.Process(target=put_later, args=(box, 1))
    child.start()
    assert is_readable(fd, 20)
    box.put(2)
    assert box.get() == 1
    assert is_readable(fd)
    assert box.get() == 2
    assert not is_readable(fd)
    assert box._reader.fileno() == fd
    child.join()
    box.close()


def test_a_queue_that_has_something_is_readable_from_the_start() -> None:
    box = procession.SimpleQueue()
    box.put(1)
    assert is_readable(box._reader.fileno())
    box.close()


def test_a_descriptor_goes_with_its_queue() -> None:
    box = procession.Queue()
    fd = box._reader.fileno()
    del box
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)


def test_a_forked_child_has_a_descriptor_of_its_own() -> None:
    box, answer = procession.Queue(), procession.Queue()
    fd = box._reader.fileno()

    def look() -> None:
        mine = box._reader.fileno()
        answer.put(is_readable(mine))
        box.put("something")
        answer.put(is_readable(mine, 10))

    child = Child(look)
    assert answer.get(timeout=10) is False
    assert answer.get(timeout=10) is True
    assert child.wait() == 0
    assert is_readable(fd)
    assert box.get() == "something"
    assert not is_readable(fd)
    box.close()


# ----------------------------------------------------------------------- what libraries know of it


def test_the_ends_are_like_connections() -> None:
    box = procession.Queue()
    reader, writer = box._reader, box._writer
    assert not reader.poll()
    writer.send({"a": 1})
    assert reader.poll(1)
    assert box._poll()
    assert reader.recv() == {"a": 1}
    box.put([1, 2])
    stream = reader.recv_bytes()
    writer.send_bytes(stream)
    assert box.get() == [1, 2]
    assert wait([reader], timeout=0) == []


def hold_and_report(box: Any, answer: Any) -> None:
    """Run in a child: the lock is the very one that the parent has."""
    answer.put(box._rlock.acquire(timeout=0))
    answer.put(box._wlock.acquire(timeout=0))


def test_the_locks_of_a_queue_are_the_same_for_all(ctx: Any) -> None:
    box, answer = ctx.Queue(), ctx.Queue()
    usage = procession._core.arena_usage
    with box._rlock:
        child = ctx.Process(target=hold_and_report, args=(box, answer))
        child.start()
        assert [answer.get(timeout=20), answer.get(timeout=20)] == [False, True]
        child.join()
        box.put(1)
        assert box.get() == 1
    with pytest.raises(ValueError, match="too many times"):
        box._rlock.release()
    del box, answer
    before = usage()["used"]
    for _ in range(100):
        procession.Queue()._rlock.acquire()
    assert usage()["used"] <= before


def test_an_end_may_be_replaced_as_torch_does() -> None:
    box = procession.Queue()
    box._reader = replacement = object()
    assert box._reader is replacement


def test_a_class_with_a_hook_for_errors_gets_them_instead_of_the_caller() -> None:
    caught: list[Any] = []

    class Careful(procession.queues.Queue):
        def _on_queue_feeder_error(self, error: BaseException, obj: Any) -> None:
            caught.append((type(error), obj))

    box = Careful()
    unpicklable = (threading.Lock(),)
    box.put(unpicklable)
    box.put(1)
    assert caught == [(TypeError, unpicklable)]
    assert box.get() == 1
