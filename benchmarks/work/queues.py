"""Queues: how many messages a second from one process to another, and how long there and back.

Idea: the child is started before the clock and waits for a byte on a pipe. The clock runs from that
byte until the last message has come out, so both ends of the queue count, whichever is slower.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ..timing import Measurement, of_delays, of_throughput

ARRAY_BYTES = 10_000_000
AHEAD = 32  # messages of any size: the bound of a queue that need not hold all of them
ARRAYS_AHEAD = 4  # the bound of a queue of arrays: what a program with a sense for memory sets


def small_ints(context: Any, count: int) -> Measurement:
    """Messages that are small ints, from one process to one other."""
    return _one_way(context, context.Queue(), count, _int, 1)


def tuples(context: Any, count: int) -> Measurement:
    """Messages that are tuples of about 100 bytes, from one process to one other."""
    return _one_way(context, context.Queue(), count, _tuple, 1)


def two_to_two(context: Any, count: int) -> Measurement:
    """Small ints from two processes to two others, one of which is this one."""
    queue, reports = context.Queue(), context.Queue()
    half = count // 2
    go, producers = _start_producers(context, queue, half, _int, 2)
    consumer = context.Process(target=_consume, args=(queue, reports, half))
    consumer.start()
    assert reports.get() == "ready"
    began = time.perf_counter_ns()
    os.write(go, b"go")
    taken = [0]
    measured = of_throughput(_added_up(queue, half, taken), half, began)
    total = taken[0] + reports.get()
    elapsed = time.perf_counter_ns() - began
    assert total == 2 * sum(map(_int, range(half)))
    _join(consumer, *producers)
    os.close(go)
    return Measurement(elapsed / (2 * half), [part / 2 for part in measured.parts])


def of_size(context: Any, count: int, size: int) -> Measurement:
    """Messages of *size* bytes each, from one process to one other."""
    return _one_way(context, context.Queue(AHEAD), count, partial(_bytes, size), 1)


def from_many(context: Any, count: int, producers: int) -> Measurement:
    """Small ints from *producers* processes to this one."""
    queue, each = context.Queue(), count // producers
    go, children = _start_producers(context, queue, each, _int, producers)
    taken = [0]
    began = time.perf_counter_ns()
    os.write(go, b"g" * producers)
    measured = of_throughput(_added_up(queue, each * producers, taken), each * producers, began)
    assert taken[0] == producers * sum(map(_int, range(each)))
    _join(*children)
    os.close(go)
    return measured


def arrays(context: Any, count: int) -> Measurement:
    """Arrays of 10 MB, from one process to one other; received, not read."""
    return _one_way(context, context.Queue(ARRAYS_AHEAD), count, _array, 1)


def ping_pong(context: Any, count: int) -> Measurement:
    """A small int there and back over two queues."""
    return _there_and_back(context, context.Queue(), context.Queue(), count)


def simple_ping_pong(context: Any, count: int) -> Measurement:
    """A small int there and back over two simple queues."""
    return _there_and_back(context, context.SimpleQueue(), context.SimpleQueue(), count)


# ---------------------------------------------------------------------------- what is transmitted


def _int(number: int) -> int:
    return number % 1000


def _tuple(number: int) -> tuple[int, str, float]:
    return number, "x" * 75, number / 2


def _bytes(size: int, number: int) -> bytes:
    return number.to_bytes(8, "little") * (size // 8) + bytes(size % 8)


def _array(number: int) -> Any:
    import numpy

    if "array" not in _made:
        _made["array"] = numpy.arange(ARRAY_BYTES // 8, dtype=numpy.int64)
    return number, _made["array"]


_made: dict[str, Any] = {}


def _is_right(received: Any, sent: Any) -> bool:
    """Compare; of an array the ends, since reading all of it is not what is measured."""
    if isinstance(sent, tuple) and hasattr(sent[1], "shape"):
        array, expected = received[1], sent[1]
        ends = array[0] == expected[0] and array[-1] == expected[-1]
        return received[0] == sent[0] and array.shape == expected.shape and bool(ends)
    return bool(received == sent)


# -------------------------------------------------------------------------------------- the work


def _one_way(
    context: Any, queue: Any, count: int, make: Callable[[int], Any], producers: int
) -> Measurement:
    go, children = _start_producers(context, queue, count, make, producers)
    make(0)  # what is compared with is made before the clock runs
    began = time.perf_counter_ns()
    os.write(go, b"g" * producers)
    measured = of_throughput(_received(queue, count, make), count, began)
    _join(*children)
    os.close(go)
    return measured


def _received(queue: Any, count: int, make: Callable[[int], Any]) -> Iterator[None]:
    for number in range(count):
        message = queue.get()
        assert _is_right(message, make(number)), f"message {number} came out as {message!r}"
        yield


def _start_producers(
    context: Any, queue: Any, count: int, make: Callable[[int], Any], number: int
) -> tuple[int, list[Any]]:
    """Start *number* children that wait for a byte each; return where to write it, and them."""
    waiting, go = os.pipe()
    arguments = (queue, waiting, count, make)
    children = [context.Process(target=_produce, args=arguments) for _ in range(number)]
    for child in children:
        child.start()
    for _ in children:
        assert queue.get() == "ready"  # it has also started whatever its queue starts
    os.close(waiting)
    return go, children


def _produce(queue: Any, waiting: int, count: int, make: Callable[[int], Any]) -> None:
    make(0)
    queue.put("ready")
    os.read(waiting, 1)
    for number in range(count):
        queue.put(make(number))


def _consume(queue: Any, reports: Any, count: int) -> None:
    reports.put("ready")
    taken = [0]
    for _ in _added_up(queue, count, taken):
        pass
    reports.put(taken[0])


def _added_up(queue: Any, count: int, total: list[int]) -> Iterator[None]:
    for _ in range(count):
        total[0] += queue.get()
        yield


def _there_and_back(context: Any, there: Any, back: Any, count: int) -> Measurement:
    child = context.Process(target=_echo, args=(there, back, count))
    child.start()
    delays = []
    for number in range(count):
        began = time.perf_counter_ns()
        there.put(number)
        answer = back.get()
        delays.append(time.perf_counter_ns() - began)
        assert answer == number
    _join(child)
    return of_delays(delays)


def _echo(there: Any, back: Any, count: int) -> None:
    for _ in range(count):
        back.put(there.get())


def _join(*children: Any) -> None:
    for child in children:
        child.join()
        assert child.exitcode == 0
