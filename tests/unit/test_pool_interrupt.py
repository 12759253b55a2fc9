"""Ctrl-C: one error in the parent, no output from the workers, no process left."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest

import procession
from procession.pool import _supervisor
from tests.support import tasks
from tests.support.kill import is_asleep
from tests.support.programs import session_members, start_python
from tests.support.waiting import wait_until

METHODS = ("fork", "spawn", "forkserver")

PROGRAM = """
import itertools, os, subprocess, sys, threading, time
import procession
from procession.futures import ProcessPoolExecutor

def work(ready, kind):
    ready.put(None)
    if kind == "python":
        while True:
            pass
    elif kind == "c":
        sum(range(10**13))
    elif kind == "gil":  # C code that looks for no signal and lets no thread run
        pow(3, 10**9)
    elif kind == "sleep":
        time.sleep(1000)
    elif kind == "queue":
        procession.Queue().get()

def one(arguments):
    return work(*arguments)

def say(ready, count):
    for _ in range(count):
        ready.get()
    print("ready", flush=True)

def use(pool, how, items):
    if how == "map":
        pool.map(one, items)
    elif how == "apply":
        pool.apply_async(one, items[:1])
        pool.apply(work, items[0])
    elif how == "get":
        [pool.apply_async(work, item) for item in items][0].get()
    elif how == "next":
        next(pool.imap(one, iter(items)))
    elif how == "join":
        results = [pool.apply_async(work, item) for item in items]
        pool.close()
        pool.join()
    elif how == "elsewhere":
        results = [pool.apply_async(work, item) for item in items]
        time.sleep(1000)

def execute(executor, how, items):
    futures = [executor.submit(one, item) for item in items]
    if how == "result":
        futures[0].result()
    elif how == "executor map":
        list(executor.map(one, items))

def main(method, how, kind):
    ctx = procession.get_context(method)
    ready = ctx.Queue()
    workers = 1 if how == "initializer" else 2
    threading.Thread(target=say, args=(ready, workers), daemon=True).start()
    items = [(ready, kind)] * 5
    if how == "initializer":
        ctx.Pool(2, work, items[0]).apply(int)
    elif how in ("result", "shutdown", "executor map"):
        with ProcessPoolExecutor(2, ctx) as executor:
            execute(executor, how, items)
    elif how == "at exit":
        executor = ProcessPoolExecutor(2, ctx)
        execute(executor, "result", items)
    elif how == "without waiting":
        executor = ProcessPoolExecutor(2, ctx)
        execute(executor, None, items)
        executor.shutdown(wait=False)
        time.sleep(1000)
    else:
        with ctx.Pool(2) as pool:
            use(pool, how, items)

if __name__ == "__main__":
    main(*sys.argv[1:])
"""

# Each state of the parent with tasks that sleep, and each kind of task with a parent in `map`.
STATES = [
    *[(how, "sleep") for how in ("apply", "get", "next", "join", "elsewhere", "initializer")],
    *[(how, "c") for how in ("result", "executor map", "shutdown", "at exit", "without waiting")],
    *[("map", kind) for kind in ("python", "c", "gil", "sleep", "queue")],
]


@pytest.mark.bare
@pytest.mark.orphans
@pytest.mark.parametrize(("how", "kind"), STATES)
@pytest.mark.parametrize("method", METHODS)
def test_one_keyboard_interrupt_and_no_process_left(method: str, how: str, kind: str) -> None:
    with start_python(PROGRAM, method, how, kind) as program:
        assert program.read_line() == "ready"
        if how in ("elsewhere", "without waiting"):
            # A signal that comes just before time.sleep() begins does not end it, in any program.
            wait_until(lambda: is_asleep(program.pid))
        os.killpg(program.pid, signal.SIGINT)  # as a terminal does
        outcome = program.finish()
        assert outcome.stderr.count("Traceback") == 1, outcome.stderr
        assert outcome.stderr.rstrip().endswith("KeyboardInterrupt")
        assert outcome.exitcode == -signal.SIGINT
        wait_until(lambda: not session_members(program.pid), timeout=10)


# ---------------------------------------------------------------- while a pool is made or ended


@pytest.fixture
def at_first(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A function that has a method of the supervisor raise KeyboardInterrupt once, at its end."""

    def interrupt(name: str) -> list[Any]:
        whole, seen = getattr(_supervisor.Supervisor, name), []

        def interrupted(self: Any, *args: Any) -> Any:
            result = whole(self, *args)
            if not seen:
                seen.append(self)
                raise KeyboardInterrupt
            return result

        monkeypatch.setattr(_supervisor.Supervisor, name, interrupted)
        return seen

    return interrupt


@pytest.mark.parametrize("step", ["_start_worker", "_start_watcher", "start"])
def test_a_pool_whose_making_is_interrupted_leaves_no_process(
    ctx: Any, at_first: Any, step: str
) -> None:
    seen = at_first(step)
    with pytest.raises(KeyboardInterrupt):
        ctx.Pool(tasks.WORKERS)
    assert seen[0].is_finished
    assert not any(seen[0].workers)
    assert procession.active_children() == []


@pytest.mark.parametrize("step", ["stop_replacing", "_signal", "end"])
def test_an_interrupted_end_can_be_repeated(ctx: Any, at_first: Any, step: str) -> None:
    pool = ctx.Pool(tasks.WORKERS)
    result = pool.apply_async(tasks.nap, (100,))
    at_first(step)
    with pytest.raises(KeyboardInterrupt):
        pool.terminate()
    pool.terminate()
    pool.join()
    with pytest.raises(procession.ProcessError, match="terminated"):
        result.get(0)
    assert procession.active_children() == []


@pytest.fixture
def sigint_is_blocked() -> Iterator[None]:
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    yield
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def test_sigint_is_blocked_in_a_worker_until_it_has_a_handler(ctx: Any) -> None:
    with ctx.Pool(1, _note_the_handler) as pool:
        handled, blocked = pool.apply(_handler_and_mask)
    assert handled is False  # not Python's, which would raise KeyboardInterrupt
    assert signal.SIGINT not in blocked  # nor do programs inherit that it is blocked
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def _note_the_handler() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def _handler_and_mask() -> tuple[bool, set[int]]:
    handled = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    return handled, set(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))


@pytest.mark.usefixtures("sigint_is_blocked")
def test_a_child_inherits_that_sigint_is_blocked(ctx: Any) -> None:
    process = ctx.Process(target=_mask, returns=True)
    process.start()
    assert signal.SIGINT in process.result(30)


def test_a_child_receives_sigint_otherwise(ctx: Any) -> None:
    process = ctx.Process(target=_mask, returns=True)
    process.start()
    assert signal.SIGINT not in process.result(30)


def _mask() -> set[int]:
    return set(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ())))
