"""Connections: how long there and back, and how many bytes a second."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

from ..timing import Measurement, of_delays, of_throughput

MEBIBYTE = 1 << 20
ARRAY_BYTES = 10_000_000


def ping_pong(context: Any, count: int) -> Measurement:
    """A small int there and back over a duplex pipe."""
    here, there = context.Pipe()
    child = context.Process(target=_echo, args=(there, count))
    child.start()
    delays = []
    for number in range(count):
        began = time.perf_counter_ns()
        here.send(number)
        answer = here.recv()
        delays.append(time.perf_counter_ns() - began)
        assert answer == number
    child.join()
    return of_delays(delays)


def mebibytes(context: Any, count: int) -> Measurement:
    """Messages of 1 MiB by send_bytes, from one process to another."""
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=_send_bytes, args=(writer, count))
    child.start()
    writer.close()
    assert reader.recv_bytes() == b"ready"
    measured = of_throughput(_received_bytes(reader, count), count, time.perf_counter_ns())
    child.join()
    return measured


def arrays(context: Any, count: int) -> Measurement:
    """Arrays of 10 MB, from one process to another; received, not read."""
    reader, writer = context.Pipe(duplex=False)
    child = context.Process(target=_send_arrays, args=(writer, count))
    child.start()
    writer.close()
    assert reader.recv() == "ready"
    measured = of_throughput(_received_arrays(reader, count), count, time.perf_counter_ns())
    child.join()
    return measured


def _echo(connection: Any, count: int) -> None:
    for _ in range(count):
        connection.send(connection.recv())


def _send_bytes(writer: Any, count: int) -> None:
    message = bytes(MEBIBYTE)
    writer.send_bytes(b"ready")
    for _ in range(count):
        writer.send_bytes(message)


def _received_bytes(reader: Any, count: int) -> Iterator[None]:
    for _ in range(count):
        assert len(reader.recv_bytes()) == MEBIBYTE
        yield


def _send_arrays(writer: Any, count: int) -> None:
    import numpy

    array = numpy.arange(ARRAY_BYTES // 8, dtype=numpy.int64)
    writer.send("ready")
    for number in range(count):
        writer.send((number, array))


def _received_arrays(reader: Any, count: int) -> Iterator[None]:
    for number in range(count):
        received, array = reader.recv()
        assert received == number
        assert array[-1] == ARRAY_BYTES // 8 - 1
        yield
