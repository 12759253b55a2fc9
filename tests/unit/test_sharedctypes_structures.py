"""Structures, strings and copies in shared memory, and how values and arrays travel."""

import ctypes
import gc
import pickle
from copy import deepcopy
from typing import Any

import pytest

from procession import sharedctypes
from procession.sharedctypes import Array, RawArray, RawValue, Value, copy, synchronized
from tests.unit.test_sharedctypes import Counter, Point

# ------------------------------------------------------------------------------ structures, copies


def test_a_structure_has_its_fields_under_the_lock() -> None:
    """The wrapper's class is made once."""
    point = Value(Point, 1.5, 2)

    point.y += 1

    assert (point.x, point.y, type(point).__name__) == (1.5, 3, "SynchronizedPoint")
    assert type(point) is type(synchronized(RawValue(Point)))


class Longer(Point):
    """With the fields of another structure."""

    _fields_ = (("z", ctypes.c_int),)


class Either(ctypes.Union):
    """The same bytes in two ways."""

    _fields_ = (("number", ctypes.c_uint32), ("bytes", ctypes.c_ubyte * 4))


def test_inherited_fields_are_fields() -> None:
    """Those of unions, too."""
    longer, either = Value(Longer, 1.5, 2, 3), Value(Either, 0x01020304)

    longer.z, longer.x = 7, 2.5

    assert (longer.x, longer.y, longer.z) == (2.5, 2, 7)
    assert sorted(either.bytes) == [1, 2, 3, 4]


def test_a_field_is_refused_as_ctypes_does() -> None:
    """With its exception, and the lock given back."""
    point = Value(Point)

    for use in (
        lambda: setattr(point, "y", "1"),
        lambda: delattr(point, "y"),
        lambda: point.z,
        lambda: type(point).x.__get__(3),
    ):
        with pytest.raises((TypeError, AttributeError)):
            use()

    assert type(point).x.__name__ == "x"
    assert not point.get_lock().locked()


def test_the_lock_is_held_while_a_field_is_read_and_written() -> None:
    """As many times as it is."""
    lock: Any = Counter()
    point, text = Value(Point, lock=lock), Array("c", b"text", lock=lock)

    point.x = point.y
    text.value = text.raw[:2]

    assert lock.taken == lock.released == 4


def test_a_deep_copy_is_a_copy() -> None:
    """In shared memory of its own."""
    original = RawArray("i", [1, 2])

    other = deepcopy(original)
    original[0] = 5

    assert list(other) == [1, 2]
    pickle.loads(pickle.dumps(other))[1] = 7
    assert list(other) == [1, 7]


def test_arrays_may_be_empty() -> None:
    """And travel."""
    for array in (Array("i", 0), Array("d", []), RawArray("c", 0)):
        assert len(array) == 0
        assert len(pickle.loads(pickle.dumps(array))) == 0


def test_arrays_of_characters_of_both_kinds() -> None:
    """Of wide ones ctypes gives strings."""
    narrow, wide = Array("c", 4), Array("u", "abc")

    narrow[:2] = b"xy"
    wide[1] = "ü"

    assert (narrow[:], narrow.raw, wide[:], wide[0]) == (b"xy\0\0", b"xy\0\0", "aüc", "a")


def test_arrays_of_many_lengths_leave_nothing() -> None:
    """Nor does the type of each stay."""
    Array("i", 1)
    types = len(ctypes.Array.__subclasses__())

    for length in range(1000, 2000):
        array = Array("h", length)
        pickle.loads(pickle.dumps(array))
    del array
    gc.collect()

    assert len(ctypes.Array.__subclasses__()) <= types + 1


def test_a_copy_has_memory_of_its_own() -> None:
    """And the content of the original."""
    original = RawValue(Point, 1, 2)

    other = copy(original)
    original.x = 5

    assert (other.x, other.y) == (1, 2)


def test_nothing_is_wrapped_twice() -> None:
    """As in the standard package."""
    with pytest.raises(AssertionError):
        synchronized(Value("i"))


def double(things: list[Any], answer: Any) -> None:
    """Double what there is, and send it back."""
    value, array, point, raw = things
    value.value *= 2
    array[:] = [2 * item for item in array]
    point.x *= 2
    raw.value *= 2
    answer.put(things)


def test_they_are_sent_in_any_way(ctx: Any) -> None:
    """As an argument, and through a queue."""
    things = [Value("i", 4), Array("d", [1, 2]), Value(Point, 3), RawValue("q", 5)]
    answer = ctx.Queue()

    process = ctx.Process(target=double, args=(things, answer))
    process.start()
    value, array, point, raw = answer.get(timeout=30)
    process.join()
    process.close()

    assert (value.value, array[:], point.x, raw.value) == (8, [2, 4], 6, 10)
    value.value = 1
    assert things[0].value == 1


def test_what_was_never_initialised_says_so() -> None:
    """Rather than crash."""
    for kind in (sharedctypes.Synchronized, sharedctypes.SynchronizedArray):
        thing: Any = kind.__new__(kind)
        for use in (
            lambda thing=thing: thing.value,
            lambda thing=thing: thing[0],
            lambda thing=thing: thing.acquire,
            lambda thing=thing: thing.__enter__(),
            lambda thing=thing: thing._obj,
        ):
            with pytest.raises((ValueError, TypeError, AttributeError)):
                use()
