"""Locks, conditions, events, barriers and shared values: alone, and between two processes.

Idea: what nobody else wants costs what the call costs; that is timed in batches. Between processes
the way to the other and back is timed: two processes take turns, and a turn is one operation.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Any

from ..timing import Measurement, of_batches, of_delays

Work = Callable[[int], None]

# ------------------------------------------------------------------------------------------ alone


def acquire_release(context: Any, count: int) -> Measurement:
    """``lock.acquire(); lock.release()``."""
    return of_batches(partial(_acquire_and_release, context.Lock()), count)


def with_lock(context: Any, count: int) -> Measurement:
    """``with lock:``."""
    return of_batches(partial(_with, context.Lock()), count)


def with_rlock(context: Any, count: int) -> Measurement:
    """``with rlock:``."""
    return of_batches(partial(_with, context.RLock()), count)


def with_semaphore(context: Any, count: int) -> Measurement:
    """``with semaphore:``."""
    return of_batches(partial(_with, context.Semaphore(2)), count)


def add_under_lock(context: Any, count: int) -> Measurement:
    """``with value.get_lock(): value.value += 1``."""
    value = context.Value("i")
    measured = of_batches(partial(_add, value), count)
    assert value.value >= count // 2
    return measured


def array_items(context: Any, count: int) -> Measurement:
    """``array[5] = array[4]``."""
    return of_batches(partial(_copy_item, context.Array("d", 10)), count)


def _acquire_and_release(lock: Any, count: int) -> None:
    for _ in range(count):
        lock.acquire()
        lock.release()


def _with(lock: Any, count: int) -> None:
    for _ in range(count):
        with lock:
            pass


def _add(value: Any, count: int) -> None:
    for _ in range(count):
        with value.get_lock():
            value.value += 1


def _copy_item(array: Any, count: int) -> None:
    for _ in range(count):
        array[5] = array[4]


# --------------------------------------------------------------------------- between two processes


def contended(context: Any, count: int) -> Measurement:
    """``with lock:`` of two processes that do nothing else; neither must starve.

    Both run for as long as the standard package needs for *count*, at about a microsecond each.
    """
    lock, counts = context.Lock(), context.RawArray("q", 2)
    end = time.monotonic() + count / 1e6
    other = context.Process(target=_compete, args=(lock, counts, 1, end))
    other.start()
    began = time.perf_counter_ns()
    _compete(lock, counts, 0, end)
    elapsed = time.perf_counter_ns() - began
    other.join()
    assert min(counts) >= sum(counts) / 5, f"one process starved: {counts[:]}"
    return Measurement(elapsed / sum(counts), [elapsed / sum(counts)])


def _compete(lock: Any, counts: Any, index: int, end: float) -> None:
    mine = 0
    while time.monotonic() < end:
        for _ in range(20):
            with lock:
                mine += 1
    counts[index] = mine


def event_ping_pong(context: Any, count: int) -> Measurement:
    """An event each way."""
    there, back = context.Event(), context.Event()
    return _turns(context, count, partial(_signal, there, back), partial(_answer, there, back))


def condition_ping_pong(context: Any, count: int) -> Measurement:
    """A turn each way, announced by one condition."""
    condition, turn = context.Condition(), context.RawValue("i", 0)
    return _turns(
        context,
        count,
        partial(_pass_turn, condition, turn, 0),
        partial(_take_turn, condition, turn),
    )


def barrier_ping_pong(context: Any, count: int) -> Measurement:
    """Two that meet."""
    barrier = context.Barrier(2)
    return _turns(context, count, barrier.wait, barrier.wait)


def _turns(
    context: Any, count: int, here: Callable[[], object], there: Callable[[], object]
) -> Measurement:
    """The delay of each call of *here*, the other process calling *there* as often."""
    other = context.Process(target=_repeat, args=(there, count))
    other.start()
    delays = []
    for _ in range(count):
        began = time.perf_counter_ns()
        here()
        delays.append(time.perf_counter_ns() - began)
    other.join()
    assert other.exitcode == 0
    return of_delays(delays)


def _repeat(turn: Callable[[], object], count: int) -> None:
    for _ in range(count):
        turn()


def _signal(there: Any, back: Any) -> None:
    there.set()
    back.wait()
    back.clear()


def _answer(there: Any, back: Any) -> None:
    there.wait()
    there.clear()
    back.set()


def _pass_turn(condition: Any, turn: Any, me: int) -> None:
    """Give the turn to the other, and wait until it is here again."""
    with condition:
        turn.value = 1 - me
        condition.notify()
        while turn.value != me:
            condition.wait()


def _take_turn(condition: Any, turn: Any) -> None:
    """Wait for the turn, and give it back."""
    with condition:
        while turn.value != 1:
            condition.wait()
        turn.value = 0
        condition.notify()
