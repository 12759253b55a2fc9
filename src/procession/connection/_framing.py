"""The format of messages: how the end of one is found in a stream of bytes.

Idea: a message is its length, four bytes, signed, most significant first, and then its bytes. One
that is too long for that begins with -1, and its length follows in eight bytes, unsigned. The
format is that of the standard library, so the peers of a connection may use different libraries.

Invariant: a length that no message could have is refused.

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

# The longest message that an object could hold.
_LONGEST = sys.maxsize - sys.getsizeof(b"")

SHORT_HEADER = struct.Struct("!i")
LONG_HEADER = struct.Struct("!iQ")
_LONG_SIZE = struct.Struct("!Q")
_IS_LONG = -1


def header(size: int) -> bytes:
    """Return the header of a message of *size* bytes."""
    if size > LONGEST_SHORT:
        return LONG_HEADER.pack(_IS_LONG, size)
    return SHORT_HEADER.pack(size)


def read_size(short: bytes, read_more: Callable[[int], bytes]) -> int | None:
    """Return the size in bytes that the header of a message gives.

    Args:
        short: the first four bytes of the header.
        read_more: reads that many bytes more, for a long message.
    Returns:
        None if no message can have that size.
    """
    (size,) = SHORT_HEADER.unpack(short)
    if size == _IS_LONG:
        (size,) = _LONG_SIZE.unpack(read_more(_LONG_SIZE.size))
    return size if 0 <= size <= _LONGEST else None


def header_length(short: bytes | bytearray) -> int:
    """Return the length in bytes of the header that begins with the four bytes *short*."""
    return LONG_HEADER.size if SHORT_HEADER.unpack(short)[0] == _IS_LONG else SHORT_HEADER.size


def parse_header(header: bytes | bytearray) -> int | None:
    """Return the size in bytes that the complete *header* gives; None as for `read_size`."""
    layout = SHORT_HEADER if len(header) == SHORT_HEADER.size else LONG_HEADER
    size: int = layout.unpack(header)[-1]
    return size if 0 <= size <= _LONGEST else None
