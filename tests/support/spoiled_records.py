"""Messages that something has written over while they lay in a channel.

Idea: a program of its own, with a family and an arena of its own, looks for a record in the
arena's memory file, spoils it, calls ``get`` and puts back what was there. Each case is one of
hypothesis's.

Invariant: a spoiled message is taken as something else or refused by an error that says so; what
was refused is still there, and can be taken once it is whole again.

Run as ``python -m tests.support.spoiled_records CASE COUNT``.
"""

import mmap
import os
import pickle
import resource
import struct
import sys
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procession import _core
from procession._pickling import core_hooks

core_hooks.give()

# As in native/channel/record.h: size, kind, unused, sequence, tag, extra; and, as in payload.h:
# owned, references, spans, kind, unused.
HEADER = struct.Struct("=IHHQQQ")
PAYLOAD_HEAD = struct.Struct("=QIIII")
FIELDS = {"size": (0, 4), "kind": (4, 2), "sequence": (8, 8), "tag": (16, 8), "extra": (24, 8)}
RECORD_PAYLOAD, RECORD_COMPACT, RECORD_END = 8, 9, 0x7FFF
NO_SEQUENCE = 2**64 - 1

# What a consumer may be told. MemoryError: of a size; the others: of what is no text, no pickle.
CLEAN = (RuntimeError, ValueError, MemoryError, OverflowError, TypeError, EOFError)
CLEAN += (pickle.UnpicklingError, IndexError, KeyError, AttributeError, ImportError)

MEMORY_LIMIT = 1 << 30  # bytes of private memory


class Arena:
    """The bytes of this family's memory file."""

    def __init__(self) -> None:
        self._fd = next(fd for fd in _descriptors() if "memfd:procession" in _target(fd))
        self._map = mmap.mmap(self._fd, os.fstat(self._fd).st_size)

    def find(self, marker: bytes) -> int:
        """Return where *marker* is."""
        size = os.fstat(self._fd).st_size
        if size != len(self._map):
            self._map = mmap.mmap(self._fd, size)
        place = self._map.find(marker)
        assert place >= 0
        return place

    def read(self, place: int, size: int) -> bytes:
        """Return *size* bytes from *place* on."""
        return self._map[place : place + size]

    def write(self, place: int, data: bytes) -> None:
        """Put *data* there."""
        self._map[place : place + len(data)] = data


def _descriptors() -> list[int]:
    return [int(name) for name in os.listdir("/proc/self/fd")]


def _target(fd: int) -> str:
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except FileNotFoundError:  # that of the listing
        return ""


class Lying:
    """A channel with one message, and where that message's record lies."""

    def __init__(self, message: Any) -> None:
        self.channel = _core.Channel()
        marker = os.urandom(16)
        self.channel.put(marker)
        self.channel.put(message)
        self.record = arena.find(marker) + len(marker)
        assert self.channel.get() == marker
        self.message = message
        head = arena.read(self.record, HEADER.size)
        size, self.kind, _, sequence, _, _ = HEADER.unpack(head)
        assert sequence == 1
        self.bytes = HEADER.size + size
        self.payload = 0
        if self.kind == RECORD_PAYLOAD:
            data = arena.read(self.record + HEADER.size, 8)
            self.payload = int.from_bytes(data, sys.byteorder)

    def with_spoiled(self, place: int, spoiled: bytes, many: bool = False) -> None:
        """Take the message, by ``get`` or ``get_many``, while *spoiled* stands at *place*."""
        before = arena.read(place, len(spoiled))
        arena.write(place, spoiled)
        try:
            taken = self._take(many)
        finally:
            arena.write(place, before)
        if not taken:
            assert same(self.channel.get(False), self.message)
        assert self.channel.empty()

    def _take(self, many: bool) -> bool:
        """Whether the message has left the channel, as whatever it was taken for."""
        before = self.channel.got_count
        try:
            self.channel.get_many(10, False) if many else self.channel.get(False)
        except CLEAN:
            return bool(self.channel.got_count != before)
        return bool(self.channel.got_count != before)


def same(one: Any, other: Any) -> bool:
    """Whether two messages are equal, buffers by their bytes."""
    return bool(plain(one) == plain(other))


def plain(message: Any) -> Any:
    if isinstance(message, list):
        return [bytes(each) for each in message]
    return message


arena: Arena

small = [None, True, 5, -(2**63), 2.5, "text", b"bytes" * 30, "x" * 2000, ("a", {"tuple": 1})]
compact = [("a", 1, None), [2.5, b"bytes", "t" * 40], {"a": (True, (1, ())), "b": False}, ((), ())]
large = [b"x" * 5000, "x" * 70_000, [pickle.PickleBuffer(b"x" * 9000), pickle.PickleBuffer(b"")]]
numbers = st.one_of(
    st.sampled_from(
        [0, 1, 7, 8, 9, 2048, 2049, 4096, RECORD_END, 2**31, 2**32 - 1, 2**63, 2**64 - 1]
    ),
    st.integers(0, 2**64 - 1),
    st.integers(0, 100),
)


@st.composite
def headers(draw: Any, messages: list[Any]) -> tuple[Any, int, bytes]:
    """A message, and bytes for a place in its record's header."""
    name = draw(st.sampled_from([*FIELDS, "somewhere"]))
    if name == "somewhere":
        start, size = draw(st.integers(0, HEADER.size - 1)), draw(st.integers(1, 8))
        size = min(size, HEADER.size - start)
    else:
        start, size = FIELDS[name]
    value = draw(numbers) % 256**size
    return draw(st.sampled_from(messages)), start, value.to_bytes(size, sys.byteorder)


@given(headers(small), st.booleans())
def header(spoiled: tuple[Any, int, bytes], many: bool) -> None:
    """Any field of a small message, but for the two cases below."""
    message, start, data = spoiled
    lying = Lying(message)
    head = bytearray(arena.read(lying.record, HEADER.size))
    head[start : start + len(data)] = data
    _, kind, _, sequence, _, _ = HEADER.unpack(head)
    if kind != RECORD_PAYLOAD and (kind, sequence) != (RECORD_END, NO_SEQUENCE):
        lying.with_spoiled(lying.record + start, data, many)


@given(st.sampled_from(compact), st.binary(min_size=1, max_size=12), st.integers(0, 200))
def contents(message: Any, data: bytes, start: int) -> None:
    """What stands for a small tuple, list or dict; other small data cannot be wrong."""
    lying = Lying(message)
    assert lying.kind == RECORD_COMPACT
    size = lying.bytes - HEADER.size
    start %= size
    lying.with_spoiled(lying.record + HEADER.size + start, data[: size - start], len(data) % 2 == 0)


@given(st.sampled_from(large), st.integers(0, 24 * 4), st.integers(1, 8), numbers, st.booleans())
def spans(message: Any, start: int, size: int, value: int, many: bool) -> None:
    """What a payload says of its references, its spans and its kind; not what it owns."""
    lying = Lying(message)
    place = lying.payload + 8 + start
    first = message if isinstance(message, list) else [message]
    end = lying.payload + PAYLOAD_HEAD.size + 24 * (len(first) + 1)
    data = (value % 256**size).to_bytes(size, sys.byteorder)[: max(1, end - place)]
    lying.with_spoiled(place, data, many)


@given(st.sampled_from([*small[2:4], *large]), numbers, st.booleans())
def payload(message: Any, value: int, aligned: bool) -> None:
    """An offset that names no payload, of this channel or at all."""
    lying = Lying(message)
    value = value & ~63 if aligned else value
    data = RECORD_PAYLOAD.to_bytes(2, sys.byteorder)
    head = arena.read(lying.record, lying.bytes)
    spoiled = head[:4] + data + head[6 : HEADER.size] + value.to_bytes(8, sys.byteorder)
    if value != lying.payload:
        lying.with_spoiled(lying.record, spoiled)


@given(st.sampled_from(small))
def end(message: Any) -> None:
    """A record that says the channel goes on in a segment that is not there."""
    lying = Lying(message)
    head = HEADER.pack(0, RECORD_END, 0, NO_SEQUENCE, 0, 0)
    lying.with_spoiled(lying.record, head)


CASES = {case.__name__: case for case in (header, contents, spans, payload, end)}


def main() -> None:
    """Run one case so many times, and say how much memory that took, in bytes."""
    global arena
    name, count = sys.argv[1:]
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT, MEMORY_LIMIT))
    _core.Channel()  # now there is an arena
    arena = Arena()
    run = settings(
        max_examples=int(count),
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )(CASES[name])
    run()
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


if __name__ == "__main__":
    main()
