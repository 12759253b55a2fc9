"""How soon a pool does what it promises to do soon: ``python -m benchmarks.probes.promptness``.

Idea: some promises are lengths of time: a limit is kept, the loss of a worker is told, an end
comes. A test must not depend on them, as other work on the machine decides them too; so they are
measured here, for each start method, and printed beside what is promised.

    limit       from the start of a task with ``timeout=`` to its TimeoutError, over the limit
    lost        from a worker's SIGKILL to WorkerLostError
    cancel      from ``cancel()`` of a task that runs to the next result of a pool of one worker
    terminate   of a pool whose workers are busy in C code, ignore SIGTERM, are stopped, have just
                been started, are in their initializer
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import time
from collections.abc import Callable
from typing import Any

import procession

METHODS = ("fork", "spawn", "forkserver")
LIMIT = 0.2  # seconds
WORKERS = 2
FOR_EVER = 1000  # seconds


def limit(context: Any) -> float:
    """Seconds past the limit."""
    with context.Pool(1) as pool:
        pool.apply(int)
        result = pool.apply_async(begin, (FOR_EVER,), timeout=LIMIT)
        began = time.monotonic()
        try:
            result.get()
        except procession.TimeoutError:
            took = time.monotonic() - began
    assert took >= LIMIT
    return took - LIMIT


def lost(context: Any) -> float:
    """Seconds from the kill to the error."""
    ready = context.Queue()
    with context.Pool(WORKERS) as pool:
        result = pool.apply_async(begin, (FOR_EVER, ready))
        pid = ready.get()
        began = time.monotonic()
        os.kill(pid, signal.SIGKILL)
        try:
            result.get()
        except procession.WorkerLostError:
            return time.monotonic() - began
    raise AssertionError("it was not lost")


def cancel(context: Any) -> float:
    """Seconds until the only worker's successor has done something."""
    ready = context.Queue()
    with context.Pool(1) as pool:
        result = pool.apply_async(begin, (FOR_EVER, ready))
        ready.get()
        began = time.monotonic()
        assert result.cancel()
        pool.apply(int)
        return time.monotonic() - began


def terminate(prepare: Callable[[Any, Any], Any]) -> Callable[[Any], float]:
    """What measures the end of the pool that *prepare* makes, of a context and a queue."""

    def measure(context: Any) -> float:
        pool = prepare(context, context.Queue())
        began = time.monotonic()
        pool.terminate()
        pool.join()
        return time.monotonic() - began

    return measure


def in_c_code(context: Any, ready: Any) -> Any:
    """Workers in a function that looks for no signal."""
    return busy(context, ready, power, ready)


def ignoring(context: Any, ready: Any) -> Any:
    """Workers that ignore SIGTERM."""
    return busy(context, ready, ignore_sigterm, ready)


def stopped(context: Any, ready: Any) -> Any:
    """Workers stopped by SIGSTOP."""
    pool = busy(context, ready, begin, FOR_EVER, ready)
    for worker in pool.stats().workers:
        os.kill(worker.pid, signal.SIGSTOP)
    return pool


def starting(context: Any, ready: Any) -> Any:
    """Workers that were started this moment."""
    return context.Pool(WORKERS)


def in_initializer(context: Any, ready: Any) -> Any:
    """Workers whose initializer does not end."""
    pool = context.Pool(WORKERS, begin, (FOR_EVER, ready))
    for _ in range(WORKERS):
        ready.get()
    return pool


def busy(context: Any, ready: Any, task: Callable[..., object], *args: Any) -> Any:
    """A pool whose workers are all in *task*."""
    pool = context.Pool(WORKERS)
    for _ in range(WORKERS):
        pool.apply_async(task, args)
    for _ in range(WORKERS):
        ready.get()
    return pool


def begin(seconds: float, ready: Any = None) -> None:
    """The task: say that it has begun, in which process, and take so long."""
    if ready is not None:
        ready.put(os.getpid())
    time.sleep(seconds)


def power(ready: Any) -> None:
    """The task that holds the GIL for hours."""
    ready.put(None)
    pow(3, 10**10)


def ignore_sigterm(ready: Any) -> None:
    """The task that ignores SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    begin(FOR_EVER, ready)


MEASURES: dict[str, tuple[Callable[[Any], float], float]] = {
    f"limit of {LIMIT} s, over it by": (limit, 0.15 * LIMIT + 0.05),
    "a killed worker is told after": (lost, 0.1),
    "a cancelled task's worker is replaced in": (cancel, 1.0),
    "terminate, in C code": (terminate(in_c_code), 1.0),
    "terminate, ignoring SIGTERM": (terminate(ignoring), 1.0),
    "terminate, stopped": (terminate(stopped), 1.0),
    "terminate, starting": (terminate(starting), 1.0),
    "terminate, in the initializer": (terminate(in_initializer), 1.0),
}


def main() -> None:
    """Print a row for each promise and start method."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.probes.promptness", description="How soon is soon?"
    )
    parser.add_argument("--repeat", type=int, default=10, metavar="N", help="times each (10)")
    repeat = parser.parse_args().repeat
    print(f"load {os.getloadavg()[0]:.1f}; milliseconds")
    print(f"{'':42} {'':12} {'median':>8} {'worst':>8} {'promised':>9}")
    for name, (measure, promised) in MEASURES.items():
        for method in METHODS:
            times = [1e3 * measure(procession.get_context(method)) for _ in range(repeat)]
            figures = statistics.median(times), max(times), 1e3 * promised
            print(
                f"{name:42} {method:12}" + " {:8.1f} {:8.1f} {:9.0f}".format(*figures), flush=True
            )


if __name__ == "__main__":
    main()
