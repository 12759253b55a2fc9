"""Managers: what one call of a method costs, from one client, from four, and over TCP."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from ..timing import Measurement, of_batches, of_delays, of_throughput

CLIENTS = 4
KEYS = 10
LONG = b"x" * 20_000
AUTHKEY = b"of the benchmark"
SERVER = f"""
from {{library}}.managers import SyncManager
server = SyncManager(("127.0.0.1", 0), {AUTHKEY!r}).get_server()
print(server.address[1], flush=True)
server.serve_forever()
"""


def _with_manager(context: Any, count: int, prepare: Callable[[Any], Any]) -> Measurement:
    """Time what *prepare* returns, for a manager: a function that does *n* operations."""
    with context.Manager() as manager:
        return of_batches(prepare(manager), count)


def dict_get(context: Any, count: int) -> Measurement:
    """``d[k]``."""

    def prepare(manager: Any) -> Any:
        shared = manager.dict(key=5)

        def work(n: int) -> None:
            for _ in range(n):
                assert shared["key"] == 5

        return work

    return _with_manager(context, count, prepare)


def dict_set(context: Any, count: int) -> Measurement:
    """``d[k] = v``."""

    def prepare(manager: Any) -> Any:
        shared = manager.dict()

        def work(n: int) -> None:
            for number in range(n):
                shared["key"] = number

        return work

    return _with_manager(context, count, prepare)


def queue_put_get(context: Any, count: int) -> Measurement:
    """``q.put(x); q.get()``."""

    def prepare(manager: Any) -> Any:
        tasks = manager.Queue()

        def work(n: int) -> None:
            for number in range(n):
                tasks.put(number)
                assert tasks.get() == number

        return work

    return _with_manager(context, count, prepare)


def with_lock(context: Any, count: int) -> Measurement:
    """``with lock:``."""

    def prepare(manager: Any) -> Any:
        lock = manager.Lock()

        def work(n: int) -> None:
            for _ in range(n):
                with lock:
                    pass

        return work

    return _with_manager(context, count, prepare)


def namespace(context: Any, count: int) -> Measurement:
    """``ns.x = v; ns.x``."""

    def prepare(manager: Any) -> Any:
        space = manager.Namespace()

        def work(n: int) -> None:
            for number in range(n):
                space.x = number
                assert space.x == number

        return work

    return _with_manager(context, count, prepare)


def list_append(context: Any, count: int) -> Measurement:
    """``l.append(x)``."""

    def prepare(manager: Any) -> Any:
        items = manager.list()

        def work(n: int) -> None:
            for number in range(n):
                items.append(number)

        return work

    return _with_manager(context, count, prepare)


# ------------------------------------------------------------------------------------ four clients


def four_clients(context: Any, count: int) -> Measurement:
    """``d[k] = v; d[k]`` by four processes at once; one operation is one of both."""
    each = max(1, count // CLIENTS // 2)
    with context.Manager() as manager:
        shared, reports = manager.dict(), context.SimpleQueue()
        waiting, go = os.pipe()
        arguments = (shared, reports, waiting, each)
        clients = [
            context.Process(target=_use, args=(number, *arguments)) for number in range(CLIENTS)
        ]
        for client in clients:
            client.start()
        for _ in clients:
            assert reports.get() == "ready"
        began = time.perf_counter_ns()
        os.write(go, b"g" * CLIENTS)
        measured = of_throughput(_done(reports), CLIENTS, began)
        for client in clients:
            client.join()
            assert client.exitcode == 0
        assert len(shared) == CLIENTS * KEYS
    os.close(waiting)
    os.close(go)
    per_operation = measured.figure / each / 2
    return Measurement(per_operation, [per_operation])


def _done(reports: Any) -> Iterator[None]:
    for _ in range(CLIENTS):
        assert reports.get() == "done"
        yield


def _use(client: int, shared: Any, reports: Any, waiting: int, count: int) -> None:
    for key in range(KEYS):
        shared[client, key] = 0
    reports.put("ready")
    os.read(waiting, 1)
    for number in range(count):
        mine = client, number % KEYS
        shared[mine] = number
        assert shared[mine] == number
    reports.put("done")


# -------------------------------------------------------------------------------------------- TCP


def tcp_set(context: Any, count: int) -> Measurement:
    """``d[k] = v``, of a manager that is reached over TCP."""
    return _remote(context, count, lambda number: number)


def tcp_set_long(context: Any, count: int) -> Measurement:
    """The same with 20 kB."""
    return _remote(context, count, lambda _: LONG)


def _remote(context: Any, count: int, make: Callable[[int], Any]) -> Measurement:
    """Time calls of a client who belongs to another family, as one on another machine would."""
    library = type(context).__module__.partition(".")[0]
    managers = importlib.import_module(f"{library}.managers")
    with subprocess.Popen(
        [sys.executable, "-c", SERVER.format(library=library)], stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        manager = managers.SyncManager(("127.0.0.1", int(server.stdout.readline())), AUTHKEY)
        manager.connect()
        shared = manager.dict()
        delays = []
        for number in range(count):
            value = make(number)
            began = time.perf_counter_ns()
            shared["key"] = value
            delays.append(time.perf_counter_ns() - began)
        assert shared["key"] == value
        del shared
        server.kill()
    return of_delays(delays)
