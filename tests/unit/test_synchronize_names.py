"""Names that the standard package's documentation does not mention, but that programs use.

Each test names what was found to use it.
"""

import ctypes
import inspect
import os
from typing import Any

import pytest

from procession import heap, sharedctypes, synchronize
from procession.synchronize import (
    RECURSIVE_MUTEX,
    SEM_VALUE_MAX,
    SEMAPHORE,
    BoundedSemaphore,
    Lock,
    RLock,
    Semaphore,
    SemLock,
)


@pytest.mark.parametrize("kind", [Lock, RLock, Semaphore, BoundedSemaphore])
def test_locks_are_of_the_type_that_programs_ask_for(kind: Any) -> None:
    """OCRmyPDF asks whether there is a SemLock, others whether a lock is one."""
    lock = kind()

    assert isinstance(lock, SemLock)
    assert issubclass(kind, SemLock)
    assert not isinstance(synchronize.Event(), SemLock)
    assert lock.kind == (RECURSIVE_MUTEX if kind is RLock else SEMAPHORE)


@pytest.mark.parametrize(("kind", "most"), [(Lock, 1), (RLock, 1), (Semaphore, SEM_VALUE_MAX)])
def test_programs_look_into_locks_by_a_private_name(kind: Any, most: int) -> None:
    """Chromium's build, dashboards and tqdm's users: is it taken, by whom, what is its name."""
    lock = kind()

    inner = lock._semlock
    before = (inner._is_zero(), inner._get_value(), inner._is_mine(), inner._count())
    with lock:
        within = (inner._is_zero(), inner._get_value(), inner._is_mine(), inner._count())

    mine = kind is not Semaphore
    assert (before, within) == ((False, 1, False, 0), (True, 0, mine, int(mine)))
    assert (inner.maxvalue, inner.name) == (most, None)


def test_a_semaphore_tells_its_permits_by_the_private_name() -> None:
    """Subclasses of queues compute their length with it."""
    assert Semaphore(7)._semlock._get_value() == 7
    assert BoundedSemaphore(7)._semlock.maxvalue == 7


class NamedLock(synchronize.Lock):
    """As in Chromium's build."""

    def __init__(self, name: str) -> None:
        super().__init__(ctx=None)
        self.name = name


def test_locks_can_be_subclassed_with_other_arguments() -> None:
    """And are locks."""
    lock = NamedLock("log")

    with lock:
        assert lock._semlock._is_mine()
        assert repr(lock) == "<NamedLock(owner=MainProcess)>"
    assert lock.name == "log"


# ------------------------------------------------------------------------------------- sharedctypes


def test_the_wrappers_are_types_that_hints_can_name() -> None:
    """`Synchronized[int]`, which programs write, and the type checkers' own stubs have."""
    value, array, text = (
        sharedctypes.Value("i"),
        sharedctypes.Array("i", 1),
        sharedctypes.Array("c", b"x"),
    )

    assert type(value) is sharedctypes.Synchronized
    assert type(array) is sharedctypes.SynchronizedArray
    assert type(text) is sharedctypes.SynchronizedString
    assert isinstance(text, sharedctypes.SynchronizedArray)
    assert all(isinstance(each, sharedctypes.SynchronizedBase) for each in (value, array, text))
    assert sharedctypes.Synchronized[int].__origin__ is sharedctypes.Synchronized


def test_arrays_are_made_from_the_parts_that_programs_know() -> None:
    """Some look typecodes up, others lay their own types over memory."""
    assert sharedctypes.typecode_to_type["d"] is ctypes.c_double
    value = sharedctypes._new_value(ctypes.c_int * 3)
    bytes_ = sharedctypes.rebuild_ctype(ctypes.c_byte * 4, heap.BufferWrapper(4), None)
    three = sharedctypes.rebuild_ctype(ctypes.c_byte, heap.BufferWrapper(3), 3)

    assert (list(value), list(bytes_), list(three)) == ([0] * 3, [0] * 4, [0] * 3)
    rebuild, parts = sharedctypes.reduce_ctype(value)
    value[1] = 5
    assert list(rebuild(*parts)) == [0, 5, 0]


# --------------------------------------------------------------------------------------------- heap


def test_arrays_over_a_piece_of_the_heap_find_its_memory() -> None:
    """The shared arrays of several collections of recipes reach for it this way."""
    array = sharedctypes.Array("B", [1, 2, 3])

    (arena, start, stop), size = array.get_obj()._wrapper._state
    arena.buffer[start + 1] = 9

    assert (list(array), stop - start, size) == ([1, 9, 3], 3, 3)


def test_a_program_may_begin_a_heap_anew() -> None:
    """Some do, in the hope of giving memory back; pieces work as before."""
    before = heap.BufferWrapper._heap
    try:
        heap.BufferWrapper._heap = heap.Heap()
        assert bytes(heap.BufferWrapper(2).create_memoryview()) == b"\0\0"
    finally:
        heap.BufferWrapper._heap = before


class Descriptor:
    """What stands for a descriptor in a message."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def detach(self) -> int:
        """Return it, for the receiver to keep."""
        return os.dup(self._fd)


def test_an_arena_is_rebuilt_from_a_descriptor() -> None:
    """By the names of the standard package, which editors like to import."""
    arena = heap.Arena(4096)
    arena.buffer[:3] = b"abc"

    again = heap.rebuild_arena(4096, Descriptor(arena.fd))

    assert (again.buffer[:3], again.size) == (b"abc", 4096)
    part = sharedctypes.RawArray("B", 3)._wrapper._state[0][0]
    rebuild, parts = heap.reduce_arena(part)
    assert bytes(rebuild(*parts).buffer) == bytes(3)


@pytest.mark.parametrize(
    ("what", "signature"),
    [
        (synchronize.Lock, "(*, ctx=None, on_owner_death='raise')"),
        (synchronize.RLock, "(*, ctx=None, on_owner_death='raise')"),
        (synchronize.Event, "(*, ctx=None)"),
        (synchronize.Barrier, "(parties, action=None, timeout=None, *, ctx=None)"),
        (synchronize.Lock.acquire, "(self, /, block=True, timeout=None)"),
        (synchronize.RLock.acquire, "(self, /, block=True, timeout=None)"),
        (synchronize.Semaphore.acquire, "(self, /, block=True, timeout=None)"),
        (synchronize.Condition.wait, "(self, /, timeout=None)"),
        (synchronize.Condition.notify, "(self, /, n=1)"),
        (synchronize.Event.wait, "(self, /, timeout=None)"),
        (synchronize.Barrier.wait, "(self, /, timeout=None)"),
        (sharedctypes.Synchronized.compare_and_set, "(self, old, new, /)"),
    ],
)
def test_signatures_can_be_asked_for(what: Any, signature: str) -> None:
    """Mocks are made to them, and editors show them."""
    assert str(inspect.signature(what)) == signature
