"""Messages that are longer than a header of four bytes can say."""

import mmap
import threading
from pathlib import Path

import pytest

from procession.connection import Pipe

SIZE = (1 << 31) + 5  # bytes


def available() -> int:
    """Bytes of memory that programs can have."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable"))


@pytest.mark.slow
@pytest.mark.bare
@pytest.mark.skipif(available() < 2 * SIZE, reason="the message would not fit the memory")
@pytest.mark.parametrize("duplex", [True, False], ids=["duplex", "one-way"])
def test_a_message_over_two_gib_arrives(duplex: bool) -> None:
    """Sent from pages that nobody has written to, so that only the receiver's cost memory."""
    reader, writer = Pipe(duplex)
    empty = mmap.mmap(-1, SIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, prot=mmap.PROT_READ)
    room = mmap.mmap(-1, SIZE + 10, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    room[SIZE - 1 : SIZE + 1] = b"ab"  # within the message, and behind it

    def send() -> None:
        writer.send_bytes(empty)
        writer.send("in step")

    thread = threading.Thread(target=send)
    thread.start()
    with reader, writer, empty, room:
        assert reader.recv_bytes_into(room) == SIZE
        assert reader.recv() == "in step"
        thread.join()
        assert room[SIZE - 1 : SIZE + 1] == b"\0b"
