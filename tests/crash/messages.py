"""Messages of each way to travel, and what is left of them in a queue.

Idea: message number i of a kind says who it is and what it must contain, so that a test can tell a
torn, doubled, lost or misplaced one from the right one. A queue inside a message is judged by its
own contents: a handle that points nowhere would show.
"""

import hashlib
import queue as standard_queue
from collections.abc import Callable, Iterable
from typing import Any

from procession import _core

Make = Callable[[int], Any]


def small(number: int) -> Any:
    """Lies in the record as it is."""
    return number if number % 2 else f"number {number}"


def long_record(number: int) -> str:
    """Lies in the record, two of them in a channel's first segment, some forty in a later one."""
    return f"{number}:" + chr(ord("a") + number % 26) * 1500


def payload(number: int) -> bytes:
    """Lies in a block of its own: digest and text."""
    text = f"payload {number} ".encode() * 2000
    return hashlib.sha256(text).digest() + text


def with_handles(number: int) -> Any:
    """Two queues, of which one carries a third, with a block of shared memory beside them."""
    inner, outer, block = _core.Channel(), _core.Channel(2), _core.Block(64)
    inner.put(f"inner {number}")
    outer.put([inner, "beside"])
    memoryview(block)[0] = number % 256
    return {"number": number, "queues": [outer, inner], "block": block}


KINDS: dict[str, Make] = {
    "small": small,
    "long_record": long_record,
    "payload": payload,
    "with_handles": with_handles,
}


def some_of_everything() -> list[Any]:
    """A queue with two messages of each kind, a lock, a block."""
    queue = _core.Channel()
    for make in KINDS.values():
        for number in range(2):
            queue.put(make(number))
    return [queue, _core.Lock(), _core.Block(100_000)]


def identity(message: Any) -> Any:
    """What *message* says, in a form that can be compared. Empties the queues in it."""
    if not isinstance(message, dict):
        return message
    outer, inner = message["queues"]
    again, beside = outer.get(timeout=1)
    said = inner.get(timeout=1), again.qsize(), beside, outer.qsize()
    return message["number"], said, memoryview(message["block"])[0]


def identities(make: Make, numbers: Iterable[int]) -> list[Any]:
    """What the messages with these numbers say."""
    return [identity(make(number)) for number in numbers]


def drain(queue: Any) -> list[Any]:
    """Take all that is in *queue*; as many as it says, neither fewer nor more."""
    expected, found = queue.qsize(), list[Any]()
    while True:
        try:
            found.append(identity(queue.get(timeout=0)))
        except standard_queue.Empty:
            break
    assert len(found) == expected, f"qsize() said {expected}, there were {len(found)}"
    assert queue.empty()
    return found
