"""The order of a pipe's messages, whatever their sizes and whichever way they take.

Idea: several threads send in turn, under one lock: small and large messages, pickles and bytes, and
frames written to the bare descriptor. Receivers, under a lock of theirs, get them in the order in
which they were sent. Between two messages there may be a pause, so that a receiver waits for the
next one, as it must for the handoff buffer to be used.
"""

import os
import pickle
import threading
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procession.connection import Connection, Pipe

pytestmark = pytest.mark.bare

KINDS = ("send", "send_bytes", "write", "write in two", "copy")
SIZES = st.sampled_from([0, 1, 100, 1990, 2030, 2100, 16_300, 16_400, 33_000, 70_000, 300_000])
STEPS = st.lists(
    st.tuples(st.sampled_from(KINDS), SIZES, st.integers(0, 2), st.booleans()), max_size=25
)


def send(writer: Connection, copy: Connection, kind: str, message: Any) -> None:
    """Send *message* in the way that *kind* says."""
    if kind == "send":
        writer.send(message)
    elif kind == "copy":
        copy.send(message)  # knows the descriptor alone, as another program would
    elif kind == "send_bytes":
        writer.send_bytes(pickle.dumps(message))
    else:
        body = pickle.dumps(message)
        frame = len(body).to_bytes(4, "big") + body
        cut = 2 if kind == "write in two" else 0
        for part in (memoryview(frame)[:cut], memoryview(frame)[cut:]):
            while part:
                part = part[os.write(writer.fileno(), part) :]


def sender(writer: Connection, steps: list[Any], own: int, turn: threading.Condition) -> None:
    """Make the steps that are this thread's, when it is their turn."""
    with Connection(os.dup(writer.fileno()), readable=False) as copy:
        for number, (kind, size, who, pause) in enumerate(steps):
            if who != own:
                continue
            with turn:
                turn.wait_for(lambda number=number: turn.number == number)  # type: ignore[attr-defined, misc]
            if pause:
                time.sleep(0)  # others run; whether they wait by then does not matter
            send(writer, copy, kind, (number, b"x" * size))
            with turn:
                turn.number += 1  # type: ignore[attr-defined]
                turn.notify_all()


def receiver(reader: Connection, lock: Any, received: list[Any], count: int) -> None:
    """Receive until *count* messages are there."""
    while True:
        with lock:
            if len(received) == count:
                return
            received.append(reader.recv())


@pytest.mark.parametrize("duplex", [True, False], ids=["duplex", "one-way"])
@settings(max_examples=60, deadline=None)
@given(steps=STEPS)
def test_messages_arrive_in_the_order_they_were_sent(duplex: bool, steps: list[Any]) -> None:
    reader, writer = Pipe(duplex)
    turn = threading.Condition()
    turn.number = 0  # type: ignore[attr-defined]
    received: list[Any] = []
    lock = threading.Lock()
    threads = [threading.Thread(target=sender, args=(writer, steps, i, turn)) for i in range(3)]
    threads += [
        threading.Thread(target=receiver, args=(reader, lock, received, len(steps)))
        for _ in range(2)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert received == [(i, b"x" * size) for i, (_, size, _, _) in enumerate(steps)]
    assert not reader.poll()
    reader.close()
    writer.close()
