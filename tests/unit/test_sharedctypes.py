"""Values and arrays: ctypes objects in shared memory, and the lock around them."""

import ctypes
from typing import Any

import pytest

from procession.sharedctypes import Array, RawArray, Value, typecode_to_type
from procession.synchronize import Lock, RLock

INTEGERS = "bBhHiIlLqQ"


class Point(ctypes.Structure):
    """What a program may define."""

    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_int))


class OwnInt(ctypes.c_int):
    """A subclass; ctypes gives such items as objects."""


def limits(code: str) -> tuple[int, int]:
    """Return the least and the largest integer of the type."""
    bits = 8 * ctypes.sizeof(typecode_to_type[code])
    return (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if code.islower() else (0, 2**bits - 1)


# ------------------------------------------------------------------------------------------ values


@pytest.mark.parametrize("code", INTEGERS)
def test_an_integer_is_what_ctypes_makes_of_it(code: str) -> None:
    """At its limits, and beyond them."""
    least, largest = limits(code)
    value, plain = Value(code, 5), typecode_to_type[code](5)

    for number in (0, 1, -1, least, largest, least - 1, largest + 1, 10**30, True):
        value.value = plain.value = number

        assert value.value == plain.value == value.get_obj().value


@pytest.mark.parametrize("code", ["f", "d"])
def test_a_real_is_what_ctypes_makes_of_it(code: str) -> None:
    """Integers are taken as well."""
    value, plain = Value(code), typecode_to_type[code]()

    for number in (0.1, -2.5, 7, 1e30, float("inf")):
        value.value = plain.value = number

        assert value.value == plain.value


def test_characters_and_truth_values() -> None:
    """Types whose values are no numbers."""
    letter, wide, truth = Value("c", b"x"), Value("u", "x"), Value(ctypes.c_bool)

    letter.value, wide.value, truth.value = b"y", "ü", True

    assert (letter.value, wide.value, truth.value) == (b"y", "ü", True)


@pytest.mark.parametrize(
    ("code", "bad"), [("i", 1.5), ("i", "1"), ("d", "1"), ("c", b"xy"), ("c", "x"), ("u", b"x")]
)
def test_wrong_values_are_refused_as_ctypes_does(code: str, bad: object) -> None:
    """With its exception, and the lock given back."""
    value, plain = Value(code), typecode_to_type[code]()
    with pytest.raises((TypeError, ValueError)) as theirs:
        plain.value = bad  # type: ignore[assignment]

    with pytest.raises(theirs.type):
        value.value = bad

    assert not value.get_lock().locked()


def test_a_value_cannot_be_deleted() -> None:
    """As in ctypes."""
    with pytest.raises(TypeError):
        del Value("i").value


def test_unknown_typecodes_are_named() -> None:
    """With those that there are."""
    with pytest.raises(TypeError, match="no typecode"):
        Value("z")


# ---------------------------------------------------------------------------------------- the lock


@pytest.mark.parametrize("lock", [True, None])
def test_there_is_a_lock_unless_told_otherwise(lock: object) -> None:
    """An RLock, so that a program may hold it around several accesses."""
    value = Value("i", 1, lock=lock)

    with value.get_lock(), value:
        value.value += 1

    assert isinstance(value.get_lock(), RLock)
    assert (value.value, value.get_obj().value) == (2, 2)


@pytest.mark.parametrize("make", [Lock, RLock])
def test_the_lock_may_be_given(make: Any) -> None:
    """And shared."""
    lock = make()
    value, array = Value("i", lock=lock), Array("i", 3, lock=lock)

    assert value.get_lock() is array.get_lock() is lock
    value.value = array[0] = 4
    assert value.value == array[0]
    assert not lock.locked()


class Counter:
    """A lock that only counts."""

    def __init__(self) -> None:
        self.taken = self.released = 0

    def acquire(self) -> bool:
        """Count."""
        self.taken += 1
        return True

    def release(self) -> None:
        """Count."""
        self.released += 1

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc: object) -> None:
        self.release()


def test_any_object_with_the_methods_is_a_lock() -> None:
    """It is taken around each access."""
    lock: Any = Counter()
    value = Value("i", lock=lock)

    value.value = value.value + value.add(2)
    with value, value.get_lock():
        pass

    assert lock.taken == lock.released == 5


def test_without_a_lock_it_is_the_ctypes_object() -> None:
    """And what is no lock is refused."""
    assert isinstance(Value("i", lock=False), ctypes.c_int)
    assert isinstance(Array("i", 2, lock=False), ctypes.Array)
    for make in (Value, Array):
        with pytest.raises(AttributeError, match="acquire"):
            make("i", 1, lock="no lock")


# ------------------------------------------------------------------------------- atomic operations


@pytest.mark.parametrize("code", INTEGERS)
def test_add_gives_the_new_value(code: str) -> None:
    """It wraps as ctypes does."""
    least, largest = limits(code)
    value = Value(code, largest)

    assert value.add(1) == value.value == least
    assert value.add(-1) == value.value == largest


def test_compare_and_set_sets_if_equal() -> None:
    """And says whether it did."""
    value = Value("h", -3)

    assert value.compare_and_set(-3, 7)
    assert not value.compare_and_set(-3, 8)
    assert value.value == 7


@pytest.mark.parametrize("bad", ["d", "c", "u"])
def test_atomic_operations_are_for_integers(bad: str) -> None:
    """A clear error for all else."""
    value = Value(bad)

    with pytest.raises(TypeError, match="for integers"):
        value.add(1)
    with pytest.raises(TypeError, match="for integers"):
        Value("i").add(1.5)
    with pytest.raises(TypeError, match="for integers"):
        Value("i").compare_and_set(0, "1")
    with pytest.raises(ZeroDivisionError):
        Value("i").add(Whole(lambda: 1 // 0))


class Whole:
    """What is no integer, but stands for one; as numpy's do."""

    def __init__(self, number: Any) -> None:
        self.number = number

    def __index__(self) -> int:
        """Return it."""
        number: int = self.number()
        return number


def test_what_has_an_index_is_an_integer() -> None:
    """An index of Python, or of numpy."""
    value = Value("i", 1)

    assert value.add(Whole(lambda: 4)) == 5
    assert value.compare_and_set(Whole(lambda: 5), Whole(lambda: 7))
    assert value.value == 7


def add_often(value: Any, times: int) -> None:
    """Add one, each way."""
    for _ in range(times):
        value.add(1)
        with value.get_lock():
            value.value += 1
        while not value.compare_and_set(now := value.value, now + 1):
            pass


def test_no_addition_is_lost_between_processes(ctx: Any) -> None:
    """Whatever way it is made."""
    value = ctx.Value("q")
    processes = [ctx.Process(target=add_often, args=(value, 300)) for _ in range(2)]

    for process in processes:
        process.start()
    for process in processes:
        process.join()
        process.close()

    assert value.value == 2 * 3 * 300


# ------------------------------------------------------------------------------------------ arrays


@pytest.mark.parametrize("code", [*INTEGERS, "f", "d"])
def test_an_array_is_a_sequence(code: str) -> None:
    """Items, slices, iteration, from both ends."""
    array = Array(code, [1, 2, 3, 4])

    array[-1] = 9
    array[1:3] = [7, 8]

    assert (len(array), array[0], array[-2], list(array), array[1:]) == (
        4,
        1,
        8,
        [1, 7, 8, 9],
        [7, 8, 9],
    )
    for index in (4, -5, 10**30):
        with pytest.raises(IndexError):
            array[index]
        with pytest.raises(IndexError):
            array[index] = 1
    with pytest.raises(TypeError):
        array["0"]
    assert not array.get_lock().locked()


def test_an_array_of_characters_is_also_a_string() -> None:
    """`value` ends at the first zero byte, `raw` does not."""
    array = Array("c", b"ab\0d")

    assert (array.value, array.raw, array[1], array[:2]) == (b"ab", b"ab\0d", b"b", b"ab")
    array.value = b"x"
    assert array.raw[:2] == b"x\0"


@pytest.mark.parametrize("make", [RawArray, Array])
def test_a_new_array_is_zeroed(make: Any) -> None:
    """Also in memory that was used before."""
    for _ in range(3):
        array = make("i", 50)
        assert list(array) == [0] * 50
        array[:] = range(50)
        del array


def test_items_of_other_types_are_those_of_ctypes() -> None:
    """Subclasses, structures, and the other byte order."""
    own, points = Array(OwnInt, 2), Array(Point, 2)
    swapped = Array(ctypes.c_int.__ctype_be__, [1, 2])

    points[0].x = 2.5

    assert isinstance(own[0], OwnInt)
    assert points[0].x == 2.5
    assert (swapped[1], bytes(swapped.get_obj())[-1]) == (2, 2)


def test_numpy_shares_the_memory() -> None:
    """Through the buffer protocol of the ctypes array."""
    numpy = pytest.importorskip("numpy")
    array = Array("d", 4)

    view = numpy.frombuffer(array.get_obj())
    view[2] = 2.5

    assert list(array) == [0, 0, 2.5, 0]


@pytest.mark.parametrize("code", [*INTEGERS, "f", "d"])
def test_each_type_of_array_is_a_buffer_of_its_items(code: str) -> None:
    """With their format and size, writable, and kept alive by each view."""
    array = Array(code, [1, 2, 3])

    view = memoryview(array.get_obj()).cast("B").cast(code)
    view[1] = 7
    assert list(array) == [1, 7, 3]

    del array
    assert list(view) == [1, 7, 3]


def fill_by_numpy(array: Any) -> None:
    """Target."""
    numpy = pytest.importorskip("numpy")
    numpy.frombuffer(array.get_obj(), dtype="i")[:] = numpy.arange(1000)


def test_processes_share_what_numpy_sees(ctx: Any) -> None:
    """Through views that each of them made."""
    numpy = pytest.importorskip("numpy")
    array = Array("i", 1000)
    view = numpy.frombuffer(array.get_obj(), dtype="i")

    process = ctx.Process(target=fill_by_numpy, args=(array,))
    process.start()
    process.join()
    process.close()

    assert view.sum() == sum(range(1000))
