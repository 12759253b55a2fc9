"""Functions that pools run in tests: importable by their names, under each start method."""

import os
import signal
import sys
import time
from typing import Any

WORKERS = 2  # of the pools that tests are given


def square(number: int) -> int:
    """Return the square."""
    return number * number


def add(left: int, right: int = 0) -> int:
    """Return the sum."""
    return left + right


def fail(text: object) -> None:
    """Raise a ValueError that says *text*."""
    raise ValueError(text)


def die(*_: object) -> None:
    """Kill the worker."""
    os.kill(os.getpid(), signal.SIGKILL)


def die_at(number: int, fatal: int) -> int:
    """Kill the worker if *number* is *fatal*, else return the number."""
    if number == fatal:
        die()
    return number


def leave(code: object) -> None:
    """Ask the interpreter to exit."""
    sys.exit(code)


def pid(*_: object) -> int:
    """Return the worker's process id."""
    return os.getpid()


def nap(seconds: float) -> float:
    """Return after so many seconds."""
    time.sleep(seconds)
    return seconds


def identity(thing: Any) -> Any:
    """Return the argument."""
    return thing


def put_into(queue: Any, item: object) -> None:
    """Put *item* into a queue that came as an argument."""
    queue.put(item)


def hold(started: Any, go_on: Any) -> str:
    """Put the process id into *started*, then return what comes from *go_on*."""
    started.put(os.getpid())
    return go_on.get(timeout=30)


def a_lambda(_: object) -> Any:
    """Return an object that cannot be pickled."""
    return lambda: None


class NeedsTwo(Exception):
    """An exception that is pickled and cannot be rebuilt: its args are not those of __init__."""

    def __init__(self, left: str, right: str):
        super().__init__(f"{left} and {right}")


def raise_needs_two() -> None:
    """Raise an exception that cannot be rebuilt."""
    raise NeedsTwo("one", "two")


class Unbuildable:
    """An object that is pickled, and raises when it is rebuilt."""

    def __reduce__(self) -> Any:
        return fail, ("cannot be rebuilt",)


def an_unbuildable(_: object = None) -> Unbuildable:
    """Return an object that cannot be rebuilt."""
    return Unbuildable()


state: list[object] = []


def remember(value: object) -> None:
    """An initializer: keep *value* in the worker."""
    state.append(value)


def remembered(_: object = None) -> list[object]:
    """Return what the initializer kept."""
    return state


def squares_by_a_pool(count: int) -> list[int]:
    """A task that has a pool of its own."""
    import procession

    with procession.Pool(2) as pool:
        return pool.map(square, range(count))


def die_so_often(times: int, count: Any) -> int:
    """Kill the worker the first *times*; then return the number of the call, from *count*."""
    before: int = count.value
    count.value = before + 1
    if before < times:
        die()
    return before + 1


def die_once_each(number: int, seen: Any) -> int:
    """Kill the worker the first time that *number* comes; *seen* is an Array of flags."""
    if not seen[number]:
        seen[number] = 1
        die()
    return number


def spin(seconds: float) -> float:
    """Run so many seconds in C code that lets no other thread run and handles no signal."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sum(range(3_000_000))
    return seconds


def draw(_: object = None) -> tuple[int, float]:
    """Return the worker's process id and a random number."""
    import random

    return os.getpid(), random.random()


def draw_numpy(_: object = None) -> float:
    """Return a random number from numpy."""
    import numpy

    return float(numpy.random.random())


def process_name(_: object = None) -> str:
    """Return the worker's name."""
    import procession

    return procession.current_process().name


_hoard: list[bytearray] = []


def hoard(size: int) -> int:
    """Keep that many bytes in use; return the worker's process id."""
    _hoard.append(bytearray(b"x") * size)
    return os.getpid()


class NeedsThreads:
    """An initializer that, like an import, needs the variable when it is unpickled."""

    def __init__(self, count: int):
        self.count = count

    def __reduce__(self) -> Any:
        return _needs_threads, (self.count,)

    def __call__(self) -> None:
        _needs_threads(self.count)


def _needs_threads(count: int) -> NeedsThreads:
    if os.environ.get("OMP_NUM_THREADS") != str(count):
        raise AssertionError("the variable is not set yet")
    return NeedsThreads(count)


def sharers(_: object = None) -> int:
    """Return how many processes share the processors with this one."""
    from procession._base import runtime

    return runtime.cpu_sharers


def sharers_in_a_pool(size: int) -> int:
    """A task that has a pool of its own: return the same for a worker of that pool."""
    import procession

    with procession.Pool(size) as pool:
        return pool.apply(sharers)
