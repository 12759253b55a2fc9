"""Plain objects, of the language's own simple types, are put; others are not."""

from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procession import _core

quick = settings(deadline=None, max_examples=300)

keys = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 70), 1 << 70)
    | st.floats(allow_nan=False)
    | st.text(max_size=8)
    | st.binary(max_size=8)
)


def containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(keys, inner, max_size=4)
    )


leaves = keys | st.binary(max_size=8).map(bytearray) | st.sets(keys) | st.frozensets(keys)
plain = st.recursive(leaves, containers, max_leaves=15)


class Integer(int):
    """An int, but not only."""


foreign = st.sampled_from([Integer(1), OrderedDict(), object, len, 1j, range(3), Ellipsis])

# Where in an object another one may hide.
PLACES: list[Callable[[Any, Any], Any]] = [
    lambda other, it: it,
    lambda other, it: [other, it],
    lambda other, it: (other, (it, other)),
    lambda other, it: {1: other, 2: {3: it}},
    lambda other, it: [[[[it]]], other],
]


def types_of(obj: Any) -> Any:
    """The types in *obj*, in its shape."""
    if isinstance(obj, dict):
        return {key: (type(key), types_of(value)) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return type(obj), [types_of(item) for item in obj]
    return type(obj)


@quick
@given(plain, st.integers(0, 2**64 - 1))
def test_a_plain_object_comes_out_equal(obj: Any, tag: int) -> None:
    channel = _core.TaskChannel()

    assert channel.send_simple(obj, tag)
    _, got_tag, _, got, error = channel.receive(1)

    assert (got_tag, error) == (tag, None)
    assert got == obj
    assert types_of(got) == types_of(obj)
    assert channel.empty()


@quick
@given(plain, foreign, st.sampled_from(PLACES))
def test_what_is_not_plain_is_not_put(
    other: Any, obj: Any, hide: Callable[[Any, Any], Any]
) -> None:
    channel = _core.TaskChannel()

    assert not channel.send_simple(hide(other, obj), 1)
    assert channel.empty()


@pytest.mark.parametrize("size", [0, 1, 2000, 2048, 2049, 5000, 1_000_000])
def test_plain_objects_of_any_size(size: int) -> None:
    channel = _core.TaskChannel()
    for obj in (b"x" * size, "\N{EURO SIGN}" * size, ("name", (b"x" * size, 1))):
        assert channel.send_simple(obj, 1)
        assert channel.receive(1)[3] == obj


def test_an_object_that_contains_itself_is_not_plain() -> None:
    channel = _core.TaskChannel()
    around: list[Any] = []
    around.append(around)

    assert not channel.send_simple(around, 1)
    assert not channel.send_simple((1, {2: around}), 1)


def test_one_list_in_two_places_stays_one() -> None:
    channel = _core.TaskChannel()
    inner = [1]
    assert channel.send_simple([inner, inner], 1)
    first, second = channel.receive(1)[3]

    assert first is second


def test_the_arguments_are_checked() -> None:
    channel = _core.TaskChannel()
    with pytest.raises(TypeError):
        channel.send_simple(1)  # type: ignore[call-arg]
    with pytest.raises(OverflowError):
        channel.send_simple(1, -1)
    channel.close()
    with pytest.raises(ValueError, match="is closed"):
        channel.send_simple(1, 1)
