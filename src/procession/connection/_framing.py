"""The bytes on the wire: how a message is cut out of a stream.

Idea: a message is its length, four bytes, signed, most significant first, and then its bytes. One
that is too long for that begins with -1 and gives its length in eight bytes, unsigned. The format
is that of the standard library, so either side of a connection may be either library.

Invariant: what a header says is believed only if it can be a length at all.

Source: the standard library's `Connection`, by what it sends and accepts.

Layer: ipc; imports the standard library only.
"""

from __future__ import annotations

import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

# The longest message whose length goes into four bytes.
LONGEST_SHORT = 0x7FFFFFFF

# The longest message that an object could hold: what is announced beyond it is no message.
_LONGEST = sys.maxsize - sys.getsizeof(b"")

SHORT_HEADER = struct.Struct("!i")
LONG_HEADER = struct.Struct("!iQ")
_LONG_SIZE = struct.Struct("!Q")
_IS_LONG = -1


def header(size: int) -> bytes:
    """Return what goes before a message of *size* bytes."""
    if size > LONGEST_SHORT:
        return LONG_HEADER.pack(_IS_LONG, size)
    return SHORT_HEADER.pack(size)


def size_of_message(short: bytes, read_more: Callable[[int], bytes]) -> int | None:
    """Return the size of the message that the header says, in bytes.

    Args:
        short: the first four bytes of the header.
        read_more: reads that many bytes more, for a long message.
    Returns:
        None if it is no possible length.
    """
    (size,) = SHORT_HEADER.unpack(short)
    if size == _IS_LONG:
        (size,) = _LONG_SIZE.unpack(read_more(_LONG_SIZE.size))
    return size if 0 <= size <= _LONGEST else None


def bytes_of_header(short: bytes | bytearray) -> int:
    """Return how long the header is that begins with these four bytes."""
    return LONG_HEADER.size if SHORT_HEADER.unpack(short)[0] == _IS_LONG else SHORT_HEADER.size


def announced(header: bytes | bytearray) -> int | None:
    """Return the size of the message that the whole *header* says, or None: no possible length."""
    size: int = (SHORT_HEADER if len(header) == SHORT_HEADER.size else LONG_HEADER).unpack(header)[
        -1
    ]
    return size if 0 <= size <= _LONGEST else None
