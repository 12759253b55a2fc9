"""Small containers of plain values, which travel without pickle: as they would with it."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procession import _core
from tests.property.test_codec import through


@pytest.fixture(scope="module")
def channel() -> Iterator[Any]:
    """One queue for all examples: each finds it empty and leaves it empty."""
    queue = _core.Channel()
    yield queue
    assert queue.empty()


plain = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False)
    | st.text(max_size=40)
    | st.binary(max_size=40)
)
frozen = st.recursive(plain, lambda inner: st.lists(inner, max_size=4).map(tuple), max_leaves=20)


def types_of(obj: Any) -> Any:
    """The types all the way down: True is no 1, nor 1.0."""
    if isinstance(obj, dict):
        return dict, [(types_of(key), types_of(value)) for key, value in obj.items()]
    if isinstance(obj, list | tuple):
        return type(obj), [types_of(item) for item in obj]
    return type(obj)


@given(
    st.lists(frozen, max_size=40)
    | st.lists(frozen, max_size=40).map(tuple)
    | st.dictionaries(frozen, frozen, max_size=20)
)
def test_containers_of_plain_values_come_out_equal_with_equal_types(channel: Any, obj: Any) -> None:
    """Whatever is too deep, too large or too odd for the short way goes by pickle."""
    got = through(channel, obj)
    assert got == obj
    assert types_of(got) == types_of(obj)


@pytest.mark.parametrize("size", range(2030, 2050))
def test_containers_around_the_largest_record(channel: Any, size: int) -> None:
    for obj in ((b"x" * (size - 6),), ["x" * (size - 6)], {1: "x" * (size - 15)}):
        assert through(channel, obj) == obj


def test_a_list_in_two_places_is_one_list_there(channel: Any) -> None:
    inner: list[int] = []
    first, second = through(channel, (inner, inner))
    assert first is second
    mapping = through(channel, {"a": inner, "b": inner})
    assert mapping["a"] is mapping["b"]


def test_the_order_of_a_dict_is_kept(channel: Any) -> None:
    assert list(through(channel, {"b": 1, "a": 2, 3: None})) == ["b", "a", 3]


class Pair(tuple):
    """A subclass, which has to stay one."""


def test_subclasses_of_containers_keep_their_class(channel: Any) -> None:
    out = through(channel, Pair((1, 2)))
    assert type(out) is Pair
    assert out == (1, 2)
