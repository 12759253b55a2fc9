"""The keys of `procession.shared.Dict`: which are equal, and which are refused."""

import datetime
import uuid
from typing import Any, NamedTuple

import pytest

import procession
from procession.shared import Dict


class Point(NamedTuple):
    """A tuple type of its own."""

    x: int
    y: int


EQUAL = [
    (1, True),
    (1, 1.0),
    (0.0, -0.0),
    (2**100, float(2**100)),
    ("é", "\u00e9"),
    ((1, ("a", 2.0)), (True, ("a", 2))),
    (frozenset([1, "a", (2,)]), frozenset([(2.0,), "a", True])),
    (float("nan"), -float("nan")),
    (datetime.date(2020, 1, 1), datetime.date(2020, 1, 1)),
    (uuid.UUID(int=5), uuid.UUID(int=5)),
    (Point(1, 2), Point(1, 2)),
]


@pytest.mark.parametrize(("one", "other"), EQUAL, ids=repr)
def test_equal_keys_are_one_key(one: Any, other: Any) -> None:
    """Their types may differ, as in a dict; the first key stays."""
    d = Dict({one: "first"})

    d[other] = "second"

    assert len(d) == 1
    assert d[one] == d[other] == "second"
    (key,) = d
    assert type(key) is type(one)
    assert key == one or key != key


DIFFERENT = [
    *("a", b"a", "", b"", "N", None, 0, 1, -1, 2**63, -(2**63) - 1, 0.5, float("inf"), "\udc80"),
    *((), ("",), ((),), (1, 2), (12,), ("a", "b"), ("ab",), frozenset(), frozenset([1, 2]), "1"),
    *(
        frozenset([frozenset()]),
        datetime.date(1, 1, 1),
        Point(1, 2),
        int,
        "x" * 1000,
        (b"y" * 999,),
    ),
]


def test_different_keys_are_different_and_come_back_as_they_were() -> None:
    """Keys of all types are in one mapping."""
    d = Dict((key, index) for index, key in enumerate(DIFFERENT))

    assert list(d) == DIFFERENT
    assert [type(key) for key in d] == [type(key) for key in DIFFERENT]
    assert list(d.values()) == list(range(len(DIFFERENT)))
    assert [d[key] for key in DIFFERENT] == list(d.values())


class Twin:
    """All objects are equal to a dict, but not to a shared mapping: their pickles differ."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Twin)

    def __hash__(self) -> int:
        return 1


def test_other_objects_are_compared_by_their_pickles() -> None:
    """Their identity and their own comparison do not count, nor the identity of their parts."""
    part = "".join(["p", "art"])
    same = (part, part)
    d = Dict({Twin(1): "a"})

    assert d[Twin(1)] == "a"
    assert Twin(2) not in d
    d[Point(*same)] = "b"  # type: ignore[arg-type]
    assert d[Point("".join(["p", "art"]), part)] == "b"  # type: ignore[arg-type]
    assert tuple(same) not in d


@pytest.mark.parametrize("key", [[], {}, ([],), (1, {2: 3}), bytearray()], ids=repr)
def test_what_cannot_be_hashed_is_no_key(key: Any) -> None:
    """The error is that of a dict."""
    d: Dict[Any, int] = Dict()

    for use in (
        lambda: d[key],
        lambda: d.__setitem__(key, 1),
        lambda: d.__delitem__(key),
        lambda: key in d,
        lambda: d.get(key),
        lambda: d.pop(key),
        lambda: d.setdefault(key),
        lambda: d.update([(key, 1)]),
    ):
        with pytest.raises(TypeError, match="unhashable"):
            use()
    assert not d


class Keeper:
    """An object that can be hashed, and refers to a shared object."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing


def test_keys_that_cannot_be_kept_are_refused() -> None:
    """A key must not contain a shared object, and it must be possible to pickle it."""
    d: Dict[Any, int] = Dict()

    with pytest.raises(TypeError, match="shared object cannot be"):
        d[Keeper(procession.Lock())] = 1
    with pytest.raises(TypeError, match="cannot be a key"):
        d[lambda: None] = 1
    assert not d
