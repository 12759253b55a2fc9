"""procession.shared.Dict: a dict that processes share."""

import copy
import datetime
import gc
import pickle
import uuid
from collections import OrderedDict
from collections.abc import MutableMapping
from typing import Any, NamedTuple

import pytest

import procession
from procession import _core, shared
from procession.shared import Dict
from tests.support.kill import memory_unchanged


class Point(NamedTuple):
    """A tuple of a type of its own."""

    x: int
    y: int


def full() -> Dict[Any, Any]:
    """Return one with a key of each kind."""
    return Dict({"a": 1, b"a": 2, 3: "three", 2.5: [1, 2], None: None, (1, "x"): {"k": "v"}})


# ----------------------------------------------------------------------------- as a dict


def test_it_is_made_of_what_a_dict_is_made_of() -> None:
    """A mapping, pairs, keywords, another one."""
    assert Dict() == {}
    assert Dict({"a": 1}, b=2) == {"a": 1, "b": 2}
    assert Dict([("a", 1), ("b", 2), ("a", 3)]) == {"a": 3, "b": 2}
    assert Dict((c, c) for c in "ab") == {"a": "a", "b": "b"}
    assert Dict(full()) == full() == full().copy()
    assert Dict.fromkeys("ab", 0) == {"a": 0, "b": 0}
    assert isinstance(Dict(), MutableMapping)
    assert procession.shared.Dict is shared.Dict is Dict
    with pytest.raises(TypeError):
        Dict(1)  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="initialised once"):
        Dict.__init__(full())


def test_keys_are_set_found_and_deleted() -> None:
    """As in a dict, with the same errors."""
    d = full()

    d["new"] = 5
    d["a"] = "other"
    del d[3]

    assert d["new"] == 5
    assert d["a"] == "other"
    assert d.get("a") == "other"
    assert d.get(3) is None
    assert d.get(3, "default") == "default"
    assert "new" in d
    assert 3 not in d
    assert len(d) == 6
    assert d
    for missing in (3, (1, 2), "zz"):
        with pytest.raises(KeyError) as error:
            d[missing]
        assert error.value.args == (missing,)
        with pytest.raises(KeyError):
            del d[missing]


def test_the_order_is_that_in_which_keys_came() -> None:
    """A key that is set again keeps its place; one that was deleted comes anew."""
    d = Dict.fromkeys("abcd")

    d["a"] = 1
    del d["b"]
    d["b"] = 2

    assert list(d) == ["a", "c", "d", "b"]
    assert list(reversed(d)) == ["b", "d", "c", "a"]
    assert d.popitem() == ("b", 2)
    assert d.popitem() == ("d", None)
    assert list(d) == ["a", "c"]


def test_views_are_those_of_a_dict() -> None:
    """Keys, values and items, with the operations of sets."""
    d = Dict({"a": 1, "b": [2]})

    assert list(d.keys()) == ["a", "b"]
    assert list(d.values()) == [1, [2]]
    assert list(d.items()) == [("a", 1), ("b", [2])]
    assert list(reversed(d.values())) == [[2], 1]  # type: ignore[call-overload]
    assert list(reversed(d.items())) == [("b", [2]), ("a", 1)]  # type: ignore[call-overload]
    assert d.keys() & {"a", "z"} == {"a"}
    assert ("a", 1) in d.items()
    assert [2] in d.values()
    assert len(d.values()) == 2


def test_an_iteration_is_over_a_snapshot() -> None:
    """What is changed meanwhile is not seen, and is no error."""
    d = Dict({"a": 1, "b": 2})

    seen = []
    for key, value in d.items():
        d[f"{key}{key}"] = value
        d.pop("b", None)
        seen.append((key, value))

    assert seen == [("a", 1), ("b", 2)]
    assert d == {"a": 1, "aa": 1, "bb": 2}


def test_pop_popitem_setdefault_clear() -> None:
    """As in a dict, with the same errors."""
    d = Dict({"a": 1, "b": 2})

    assert d.pop("a") == 1
    assert d.pop("a", "gone") == "gone"
    with pytest.raises(KeyError):
        d.pop("a")
    assert d.setdefault("a", 5) == 5
    assert d.setdefault("b", 7) == 2
    assert d.setdefault("c") is None
    d.clear()
    assert d == {}
    assert not d
    with pytest.raises(KeyError, match="is empty"):
        d.popitem()
    with pytest.raises(TypeError):
        d.get()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        d.pop("a", 1, 2)  # type: ignore[call-arg]


def test_get_or_set_makes_the_value_only_if_it_is_missing() -> None:
    """It is made by a function, or given."""
    d: Dict[str, Any] = Dict()
    made = []

    def make() -> list[int]:
        made.append(1)
        return [5]

    assert d.get_or_set("a", make) == [5]
    assert d.get_or_set("a", make) == [5]
    assert d.get_or_set("b", 7) == 7
    assert len(made) == 1
    assert d == {"a": [5], "b": 7}


def test_update_and_the_operators() -> None:
    """As those of a dict; what is no shared mapping comes out as a dict."""
    d = Dict({"a": 1})

    d.update({"b": 2}, c=3)
    d.update([("a", 5)])
    d.update()
    d |= {"d": 4}

    assert d == {"a": 5, "b": 2, "c": 3, "d": 4}
    assert d | {"a": 0} == {"a": 0, "b": 2, "c": 3, "d": 4}
    assert {"z": 1} | d == {"z": 1, "a": 5, "b": 2, "c": 3, "d": 4}
    assert type(d | {}) is dict
    with pytest.raises(TypeError):
        d | 5  # type: ignore[operator]


def test_an_update_that_fails_changes_nothing() -> None:
    """The last of its values cannot be pickled."""
    d = Dict({"a": 1})

    with memory_unchanged(), pytest.raises(TypeError):
        d.update({"a": 2, "b": "x" * 10_000, "c": memoryview(b"")})

    assert d == {"a": 1}


def test_it_compares_shows_itself_and_is_copied_as_a_dict() -> None:
    """A copy is a plain dict."""
    d = Dict({"a": [1]})

    assert d == {"a": [1]}
    assert d == OrderedDict(a=[1])
    assert d != {"a": [2]}
    assert d != 5
    assert repr(d) == "Dict({'a': [1]})"
    assert type(d.copy()) is type(copy.copy(d)) is type(copy.deepcopy(d)) is dict
    with pytest.raises(TypeError, match="unhashable"):
        hash(d)


def test_what_is_read_is_a_copy() -> None:
    """A change in place is seen by nobody, until it is set; also of a large buffer."""
    numpy = pytest.importorskip("numpy")
    d = Dict({"list": [1], "array": numpy.zeros(100_000)})

    d["list"].append(2)
    array = d["array"]
    array += 1
    d.copy()["array"] += 1

    assert d["list"] == [1]
    assert not d["array"].any()
    d["array"] = array
    assert d["array"].all()


# ------------------------------------------------------------------------------------ keys


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
    """Whatever their types, as in a dict; the first stays."""
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
    """Of all types at once."""
    d = Dict((key, index) for index, key in enumerate(DIFFERENT))

    assert list(d) == DIFFERENT
    assert [type(key) for key in d] == [type(key) for key in DIFFERENT]
    assert list(d.values()) == list(range(len(DIFFERENT)))
    assert [d[key] for key in DIFFERENT] == list(d.values())


class Twin:
    """Two are equal to a dict, but not to a shared one: their pickles differ."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Twin)

    def __hash__(self) -> int:
        return 1


def test_other_objects_are_compared_by_their_pickles() -> None:
    """Not by identity, and not by their own comparison; nor does it matter what is one object."""
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
    """The same error as a dict's."""
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
    """Can be hashed, and refers to a shared object."""

    def __init__(self, thing: Any) -> None:
        self.thing = thing


def test_keys_that_cannot_be_kept_are_refused() -> None:
    """A shared object, and what cannot be pickled."""
    d: Dict[Any, int] = Dict()

    with pytest.raises(TypeError, match="shared object cannot be"):
        d[Keeper(procession.Lock())] = 1
    with pytest.raises(TypeError, match="cannot be a key"):
        d[lambda: None] = 1
    assert not d


# ----------------------------------------------------------------------- values and memory


def test_values_are_whatever_can_be_pickled() -> None:
    """Small and large, with buffers, with shared objects."""
    values = [None, True, 1, 2**70, 1.5, "s", b"b", "x" * 5000, b"y" * 100_000, [1, {"a": (2,)}]]
    d = Dict(enumerate(values))

    assert list(d.values()) == values
    d["lock"] = lock = procession.Lock()
    with lock:
        assert not d["lock"].acquire(block=False)
    del lock
    gc.collect()
    assert d["lock"].acquire(block=False), "the mapping holds it"


def test_a_value_that_cannot_be_pickled_is_an_error_of_the_call() -> None:
    """What was there stays."""
    d = Dict({"a": 1})

    with memory_unchanged():
        with pytest.raises(TypeError):
            d["a"] = memoryview(b"")  # type: ignore[assignment]
        with pytest.raises(TypeError):
            d.setdefault("b", memoryview(b""))  # type: ignore[arg-type]

    assert d == {"a": 1}


def test_it_grows_and_gives_back_all_of_its_memory() -> None:
    """Some ten thousand keys come, change and go."""
    with memory_unchanged():
        d: Dict[Any, Any] = Dict()
        for i in range(5000):
            d[i] = i
        d.update((i, "x" * (i % 3000)) for i in range(4000, 8000))
        for i in range(0, 8000, 2):
            del d[i]
        assert sorted(d) == list(range(1, 8000, 2))
        assert d[3999] == 3999
        assert d[7999] == "x" * (7999 % 3000)
        while d:
            d.popitem()
        d["again"] = b"z" * 10_000
        d.clear()
        d["again"] = b"z" * 10_000
        del d


def test_memory_stays_flat_while_keys_come_and_go() -> None:
    """Of those that are gone nothing is kept."""
    d = Dict({-1: 0})

    def churn() -> int:
        for i in range(3000):
            d[i] = "x"
            d[-1] = i
            del d[i]
        return _core.arena_usage()["used"]  # type: ignore[no-any-return]

    used = churn()

    assert churn() == used
    assert churn() == used


def test_one_within_another_is_a_reference() -> None:
    """A change deep inside is seen by all."""
    with memory_unchanged():
        outer: Dict[str, Any] = Dict(inner=Dict(n=1))

        outer["inner"]["n"] = 2
        found = outer["inner"]
        del outer["inner"]

        assert type(found) is Dict
        assert found == {"n": 2}
        del outer, found


def test_its_lock_is_one_for_all() -> None:
    """It is made when somebody asks, and can be taken again by its owner."""
    with memory_unchanged():
        d = Dict(n=0)
        again = pickle.loads(pickle.dumps(d))

        with d.get_lock(), again.get_lock():
            again["n"] += 1

        assert d["n"] == 1
        del d, again


def test_an_uninitialised_one_says_so() -> None:
    """Each method, rather than a crash."""
    bare: Any = Dict.__new__(Dict)

    for use in (
        lambda: bare["a"],
        lambda: bare.get("a"),
        lambda: bare.__setitem__("a", 1),
        lambda: len(bare),
        lambda: "a" in bare,
        lambda: bare.update(a=1),
        bare.popitem,
        bare.clear,
        bare.copy,
        bare.get_lock,
    ):
        with pytest.raises(ValueError, match="not initialised"):
            use()


# ------------------------------------------------------------------------------ processes


def add_up(d: Any, me: int, count: int) -> None:
    """Count under the lock, and set keys of its own."""
    for i in range(count):
        with d.get_lock():
            d["sum"] += 1
        d[me, i] = me


def test_processes_share_it(ctx: Any) -> None:
    """Under each start method; what one sets the others see."""
    d: Dict[Any, Any] = Dict(sum=0)

    processes = [ctx.Process(target=add_up, args=(d, me, 100)) for me in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0

    assert d.pop("sum") == 300
    assert d == {(me, i): me for me in range(3) for i in range(100)}


def test_it_travels_through_a_queue_and_a_pool(ctx: Any) -> None:
    """As an item, and as an argument of a task."""
    d: Dict[str, int] = Dict(a=1)
    queue = ctx.SimpleQueue()
    queue.put(d)

    queue.get()["b"] = 2
    with ctx.Pool(1) as pool:
        pool.apply(Dict.update, (d, {"c": 3}))
    queue.close()

    assert d == {"a": 1, "b": 2, "c": 3}
