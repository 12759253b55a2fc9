"""Connections over TCP: how long there and back, through `Listener` and `Client`."""

from __future__ import annotations

import importlib
import time
from typing import Any

from ..timing import Measurement, of_delays

LONG_BYTES = 20_000  # the standard library writes this much in two parts


def ping_pong(context: Any, count: int) -> Measurement:
    """A small int there and back over TCP."""
    return _exchange(context, count, 0)


def long_messages(context: Any, count: int) -> Measurement:
    """20 kB by send_bytes over TCP, and a small int back."""
    return _exchange(context, count, LONG_BYTES)


def _exchange(context: Any, count: int, size: int) -> Measurement:
    """Send messages of *size* bytes, or small ints if 0, and time each until its answer."""
    library = type(context).__module__.partition(".")[0]
    connection = importlib.import_module(f"{library}.connection")
    with connection.Listener(("127.0.0.1", 0), authkey=b"of the benchmark") as listener:
        child = context.Process(target=_answer, args=(library, listener.address, count, size))
        child.start()
        here = listener.accept()
    message = bytes(size)
    delays = []
    for number in range(count):
        began = time.perf_counter_ns()
        if size:
            here.send_bytes(message)
        else:
            here.send(number)
        answer = here.recv()
        delays.append(time.perf_counter_ns() - began)
        assert answer == (size or number)
    child.join()
    return of_delays(delays)


def _answer(library: str, address: Any, count: int, size: int) -> None:
    connection = importlib.import_module(f"{library}.connection")
    with connection.Client(address, authkey=b"of the benchmark") as there:
        for _ in range(count):
            there.send(len(there.recv_bytes()) if size else there.recv())
