"""Whatever goes into a queue comes out equal, of the same types, and of its own."""

import pickle
import queue as standard_queue
from array import array
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from procession import _core

RECORD_LIMIT = 2048  # bytes: what is longer travels in a block of its own
OUT_OF_BAND = _core.OUT_OF_BAND_BYTES  # longer buffers stay out of the pickle

quick = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])


@dataclass
class Point:
    """An object with attributes."""

    x: Any
    y: Any


@pytest.fixture(scope="module")
def channel() -> Iterator[Any]:
    """One queue for all examples: each finds it empty and leaves it empty."""
    queue = _core.Channel()
    yield queue
    assert queue.empty()


def through(queue: Any, obj: Any) -> Any:
    """Put *obj* and take what comes out, which must be all there is."""
    queue.put(obj)
    assert queue.qsize() == 1
    got = queue.get(timeout=1)
    with pytest.raises(standard_queue.Empty):
        queue.get(block=False)
    return got


surrogates = st.text(st.characters(categories=["Cs"]), min_size=1)
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(min_value=-(1 << 70), max_value=1 << 70)
    | st.sampled_from([2**63 - 1, -(2**63), 2**63, -(2**63) - 1, 2**64, 10**400])
    | st.floats(allow_nan=False)
    | st.text()
    | surrogates
    | st.binary()
    | st.complex_numbers(allow_nan=False)
    | st.fractions()
    | st.decimals(allow_nan=False)
)
keys = st.integers() | st.text() | st.binary() | st.tuples(st.integers(), st.text())


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Objects that hold others."""
    return (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.lists(inner).map(deque)
        | st.dictionaries(keys, inner)
        | st.dictionaries(keys, inner).map(OrderedDict)
        | st.frozensets(keys)
        | st.sets(keys)
        | st.builds(Point, inner, inner)
        | st.binary().map(bytearray)
        | st.lists(st.floats(allow_nan=False)).map(lambda values: array("d", values))
    )


def assert_same(got: Any, sent: Any) -> None:
    """Equal, and of the same type, all the way down."""
    assert type(got) is type(sent)
    assert got == sent
    assert pickle.dumps(got) == pickle.dumps(pickle.loads(pickle.dumps(sent)))


@quick
@given(obj=st.recursive(scalars, containers, max_leaves=20))
def test_nested_objects_come_out_as_they_went_in(channel: Any, obj: Any) -> None:
    got = through(channel, obj)
    assert type(got) is type(obj)
    assert got == obj


@pytest.mark.parametrize("make", [bytes, bytearray, lambda data: data.decode("latin-1")])
@quick
@given(near=st.sampled_from([0, 1, RECORD_LIMIT, OUT_OF_BAND, 1 << 16, 300_000]), data=st.data())
def test_texts_of_each_size_come_out_as_they_went_in(
    channel: Any, make: Any, near: int, data: Any
) -> None:
    """Above all around the sizes at which the way to travel changes."""
    size = max(0, near + data.draw(st.integers(-40, 40)))
    pattern = data.draw(st.binary(min_size=1, max_size=20))
    sent = make((pattern * (size // len(pattern) + 1))[:size])
    assert_same(through(channel, sent), sent)


@quick
@given(
    text=st.text(st.characters(), min_size=1, max_size=20)
    | st.text(st.characters(categories=["Cs"]), min_size=1, max_size=5),
    times=st.sampled_from([1, 100, 2000]),
)
def test_text_of_any_characters_comes_out_as_it_went_in(
    channel: Any, text: str, times: int
) -> None:
    """Lone surrogates, which UTF-8 cannot write, included."""
    assert_same(through(channel, text * times), text * times)


@pytest.mark.parametrize("value", [0.0, -0.0, float("inf"), float("nan"), 5e-324, 1.5])
def test_floats_keep_all_their_bits(channel: Any, value: float) -> None:
    assert through(channel, value).hex() == value.hex()


@pytest.mark.parametrize("value", [True, False, None, 0, 1, -1, 1.0, "", b""])
def test_scalars_that_are_equal_keep_their_types(channel: Any, value: Any) -> None:
    got = through(channel, value)
    assert (type(got), got) == (type(value), value)


def test_subclasses_of_scalars_keep_their_class(channel: Any) -> None:
    """A class derived from int is no int on the way."""
    for sent in (Number(5), Text("abc"), Data(b"abc" * 2000), Decimal("1.10"), Fraction(1, 3)):
        assert_same(through(channel, sent), sent)


class Number(int):
    """An int."""


class Text(str):
    """A str."""

    __slots__ = ()


class Data(bytes):
    """A bytes."""


# ------------------------------------------------------------------------------------------ arrays

dtypes = hnp.scalar_dtypes() | hnp.unicode_string_dtypes() | hnp.byte_string_dtypes()


def assert_same_array(got: Any, sent: Any) -> None:
    """As plain pickle would give it back: numpy's pickles lose the byte order of dates."""
    expected = pickle.loads(pickle.dumps(sent, 5))
    assert type(got) is type(expected)
    assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
    assert got.tobytes() == expected.tobytes()
    assert got.flags.writeable == expected.flags.writeable
    np.testing.assert_array_equal(got, sent)


@quick
@given(sent=hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, min_side=0, max_side=8)))
def test_arrays_of_any_type_and_shape(channel: Any, sent: Any) -> None:
    """Empty ones and those of no dimension included."""
    assert_same_array(through(channel, sent), sent)


@quick
@given(
    sent=hnp.arrays(np.float64, hnp.array_shapes(min_dims=1, max_dims=4, min_side=4, max_side=12)),
    times=st.sampled_from([1, 30]),
    data=st.data(),
)
def test_views_of_arrays(channel: Any, sent: Any, times: int, data: Any) -> None:
    """Slices, reversed, transposed, in Fortran's order, small and large."""
    sent = np.tile(sent, times)
    index = data.draw(hnp.basic_indices(sent.shape, allow_ellipsis=True))
    for view in (sent[index], sent.T, sent[::-2], np.asfortranarray(sent), sent[..., ::3]):
        assert_same_array(np.asarray(through(channel, view)), np.asarray(view))


@pytest.mark.parametrize("count", [10, 100_000])
def test_the_order_in_memory_is_kept(channel: Any, count: int) -> None:
    sent = np.asfortranarray(np.arange(count, dtype=np.int32).reshape(10, -1))
    got = through(channel, sent)
    assert got.flags.f_contiguous
    np.testing.assert_array_equal(got, sent)


@pytest.mark.parametrize("count", [10, 100_000])
@pytest.mark.parametrize("writeable", [True, False])
def test_an_array_can_be_written_where_the_senders_could(
    channel: Any, count: int, writeable: bool
) -> None:
    """And writing into what was received changes nothing for the sender."""
    sent = np.arange(count)
    sent.flags.writeable = writeable
    got = through(channel, sent)
    if writeable:
        got += 1
        np.testing.assert_array_equal(got, sent + 1)
    np.testing.assert_array_equal(sent, np.arange(count))
    assert got.flags.writeable == writeable


@pytest.mark.parametrize("count", [10, 100_000])
def test_one_array_in_many_places_is_one_array_there(channel: Any, count: int) -> None:
    sent = np.arange(count)
    got = through(channel, {"a": sent, "b": [sent, sent]})
    assert got["a"] is got["b"][0] is got["b"][1]


def test_arrays_of_objects(channel: Any) -> None:
    sent = np.array([1, "two", [3.0], None, b"five" * 2000], dtype=object)
    got = through(channel, sent)
    assert got.tolist() == sent.tolist()


def test_structured_and_dated_arrays(channel: Any) -> None:
    for sent in (
        np.zeros(1000, dtype=[("x", "f8"), ("name", "U5")]),
        np.array(["2020-01-01", "NaT"], dtype="datetime64[D]"),
        np.ma.masked_less(np.arange(2000), 5),
        np.float32(1.5),
    ):
        got = through(channel, sent)
        assert type(got) is type(sent)
        np.testing.assert_array_equal(got, sent)


def test_what_is_received_outlives_its_message_and_its_queue() -> None:
    """The memory of a message goes when the last array in it does, not before."""
    queue = _core.Channel()
    sent = [np.full(10_000, number) for number in range(3)]
    got = through(queue, sent)[1]
    del queue
    more = _core.Channel()
    for _ in range(20):
        more.put(bytes(100_000))
    np.testing.assert_array_equal(got, sent[1])


@quick
@given(data=st.binary(max_size=9000), readonly=st.booleans())
def test_buffers_wrapped_for_pickling(channel: Any, data: bytes, readonly: bool) -> None:
    """pickle.PickleBuffer: in the stream or out of it, the bytes are the same."""
    source: Any = data if readonly else bytearray(data)
    got = through(channel, [pickle.PickleBuffer(source), "behind"])
    assert bytes(got[0]) == data
    assert got[1] == "behind"
    assert memoryview(got[0]).readonly == readonly


def test_a_memoryview_is_refused_as_by_pickle(channel: Any) -> None:
    """And nothing of the failed put() is in the queue."""
    with pytest.raises(TypeError, match="memoryview"):
        channel.put(["before", memoryview(b"data" * 5000)])
    assert channel.empty()


def test_objects_with_cycles(channel: Any) -> None:
    sent: list[Any] = [1]
    sent.append(sent)
    got = through(channel, sent)
    assert got[1] is got
    assert got[0] == 1
