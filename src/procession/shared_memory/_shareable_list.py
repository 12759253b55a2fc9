"""A list of fixed length whose elements are stored in a shared segment.

Idea: each element has a field of its own, as large as its first value needs, in steps of eight
bytes. It may be replaced by a value that fits into the field.

Invariant: the layout is the standard package's, all integers of eight bytes in native order:

    number of elements n
    n + 1 offsets of the fields, from the first field on; the last is the end
    the fields
    n times eight characters: the `struct` format of the element
    n bytes: the kind of the element, see `_Kind`

A change is not atomic: to read while another process writes needs a lock.

Layer: ipc.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from types import GenericAlias
from typing import Any

from ._segment import SharedMemory

Element = int | float | bool | str | bytes | None

_WORD = 8
_LONGEST_FORMAT = 8


class _Kind:
    """How an element of one type is stored.

    Args:
        code: the byte for this kind.
        format: of `struct`; "" for strings, whose format has the size of their field.
        load: makes the element from what `struct` unpacked.
    """

    def __init__(self, code: int, format: str, load: Callable[[Any], Element]):
        self.code, self.format, self.load = code, format, load

    def format_for(self, field_size: int) -> str:
        """Return the format of such an element in a field of *field_size* bytes."""
        return self.format or f"{field_size}s"


def _identity(value: Any) -> Any:
    return value


_KINDS: dict[type, _Kind] = {
    int: _Kind(0, "q", _identity),
    float: _Kind(0, "d", _identity),
    bool: _Kind(0, "xxxxxxx?", _identity),
    str: _Kind(1, "", lambda raw: raw.rstrip(b"\0").decode()),
    bytes: _Kind(2, "", lambda raw: raw.rstrip(b"\0")),
    type(None): _Kind(3, "xxxxxx?x", lambda raw: None),
}
_LOADERS = {kind.code: kind.load for kind in _KINDS.values()}


def _kind_of(value: Element) -> _Kind:
    try:
        return _KINDS[type(value)]
    except KeyError:
        raise KeyError(
            f"a ShareableList has no {type(value).__name__}; it takes "
            f"{', '.join(kind.__name__ for kind in _KINDS)}"
        ) from None


def _encoded(value: Element) -> Any:
    """Return what `struct` packs for *value*."""
    return value.encode() if isinstance(value, str) else value


def _field_size(value: Element) -> int:
    """Return the size in bytes of the field for *value*.

    The standard package counts the characters of a string, and cuts off the bytes beyond.
    """
    if not isinstance(value, str | bytes):
        return _WORD
    needed = len(value.encode()) if isinstance(value, str) else len(value)
    return _WORD * max(len(value) // _WORD + 1, -(-needed // _WORD))


class ShareableList:
    """A list in shared memory: its length is fixed, its elements can be replaced.

    An element is an int (of 64 bits), float, bool, str, bytes or None. Zeros at the end of a string
    are not kept.

    Args:
        sequence: the elements; None, with a name, attaches a list that exists.
        name: that of the segment; None makes a fresh one.
    Attributes:
        shm: the `SharedMemory` of the list, to be closed and removed by ``shm.close()`` and
            ``shm.unlink()``.
    Raises:
        KeyError: an element is of another type.
        struct.error: an int is too large.
        ValueError: a string is too long: 9,999,999 bytes are allowed.
        FileExistsError, FileNotFoundError: as `SharedMemory`.
    """

    shm: SharedMemory
    _offsets: tuple[int, ...]

    def __init__(self, sequence: Iterable[Element] | None = None, *, name: str | None = None):
        if name is not None and sequence is None:
            self.shm = SharedMemory(name)
            (length,) = struct.unpack_from("q", self.shm.buf, 0)
            self._offsets = struct.unpack_from(f"{length + 1}q", self.shm.buf, _WORD)
        else:
            self._build(list(sequence or ()), name)

    def _build(self, elements: list[Element], name: str | None) -> None:
        """Make the segment and fill it."""
        kinds = [_kind_of(element) for element in elements]
        values = [_encoded(element) for element in elements]
        sizes = [_field_size(element) for element in elements]
        formats = [kind.format_for(size) for kind, size in zip(kinds, sizes, strict=True)]
        if any(len(format) > _LONGEST_FORMAT for format in formats):
            raise ValueError(
                f"a string of {max(sizes) - 1:,} bytes is too long for a ShareableList"
            )
        offsets = [0]
        for size in sizes:
            offsets.append(offsets[-1] + size)
        self._offsets = tuple(offsets)
        total = self._kinds_start + len(elements)
        self.shm = SharedMemory(name, create=True, size=total, commit=True)
        struct.pack_into(f"q{len(offsets)}q", self.shm.buf, 0, len(elements), *offsets)
        try:
            rows = zip(formats, kinds, values, strict=True)
            for position, (format, kind, value) in enumerate(rows):
                self._write(position, format, kind, value)
        except BaseException:  # an int that is too large: the caller never gets the segment
            self.shm.unlink()
            raise

    # ----------------------------------------------------------------------------------- the layout

    @property
    def _length(self) -> int:
        return len(self._offsets) - 1

    @property
    def _fields_start(self) -> int:
        return _WORD * (1 + len(self._offsets))

    @property
    def _formats_start(self) -> int:
        return self._fields_start + self._offsets[-1]

    @property
    def _kinds_start(self) -> int:
        return self._formats_start + _WORD * self._length

    def _checked(self, position: int, doing: str) -> int:
        """Return *position* counted from the beginning. Raises: IndexError."""
        found = position if position >= 0 else position + self._length
        if not 0 <= found < self._length:
            raise IndexError(f"{doing}index out of range")
        return found

    def _get_packing_format(self, position: int) -> str:
        """Return the format of the element at *position*."""
        position = self._checked(position, "")
        start = self._formats_start + _WORD * position
        return bytes(self.shm.buf[start : start + _WORD]).rstrip(b"\0").decode()

    def _write(self, position: int, format: str, kind: _Kind, value: Any) -> None:
        buf = self.shm.buf
        struct.pack_into(format, buf, self._fields_start + self._offsets[position], value)
        struct.pack_into("8s", buf, self._formats_start + _WORD * position, format.encode())
        buf[self._kinds_start + position] = kind.code

    # ------------------------------------------------------------------------------------- the list

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, position: int) -> Any:
        position = self._checked(position, "")
        start = self._fields_start + self._offsets[position]
        (raw,) = struct.unpack_from(self._get_packing_format(position), self.shm.buf, start)
        return _LOADERS[self.shm.buf[self._kinds_start + position]](raw)

    def __setitem__(self, position: int, value: Element) -> None:
        position = self._checked(position, "assignment ")
        kind = _kind_of(value)
        size = self._offsets[position + 1] - self._offsets[position]
        encoded = _encoded(value)
        if isinstance(encoded, bytes) and len(encoded) > size:
            raise ValueError(
                f"bytes/str item exceeds available storage: {len(encoded):,} bytes, where the "
                f"first value of this element left room for {size:,}"
            )
        self._write(position, kind.format_for(size), kind, encoded)

    def __iter__(self) -> Iterator[Any]:
        return (self[position] for position in range(self._length))

    def count(self, value: Any) -> int:
        """Return how many elements are equal to *value*."""
        return sum(value == element for element in self)

    def index(self, value: Any) -> int:
        """Return the position of the first element that is equal to *value*.

        Raises:
            ValueError: there is none.
        """
        for position, element in enumerate(self):
            if value == element:
                return position
        raise ValueError(f"{value!r} not in this container")

    @property
    def format(self) -> str:
        """The `struct` formats of all elements, as they are now."""
        return "".join(self._get_packing_format(position) for position in range(self._length))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)}, name={self.shm.name!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), name=self.shm.name), ()

    __class_getitem__: Any = classmethod(GenericAlias)
