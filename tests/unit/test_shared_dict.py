"""`procession.shared.Dict`: a dict that processes share, and its methods."""

import copy
import pickle
from collections import OrderedDict
from collections.abc import MutableMapping
from typing import Any

import pytest

import procession
from procession import shared
from procession.shared import Dict
from tests.support.kill import memory_unchanged


def full() -> Dict[Any, Any]:
    """Return a mapping with a key of each kind."""
    return Dict({"a": 1, b"a": 2, 3: "three", 2.5: [1, 2], None: None, (1, "x"): {"k": "v"}})


def test_it_is_made_of_the_arguments_of_a_dict() -> None:
    """These are a mapping, pairs, keywords, another shared mapping."""
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
    """Results and errors are those of a dict."""
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
    """A key that is set again keeps its position; one that was deleted comes last."""
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
    """There are keys, values and items, with the operations of sets."""
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
    """Changes meanwhile are not seen, and are no error."""
    d = Dict({"a": 1, "b": 2})

    seen = []
    for key, value in d.items():
        d[f"{key}{key}"] = value
        d.pop("b", None)
        seen.append((key, value))

    assert seen == [("a", 1), ("b", 2)]
    assert d == {"a": 1, "aa": 1, "bb": 2}


def test_pop_popitem_setdefault_clear() -> None:
    """Results and errors are those of a dict."""
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
    """The value is made by a function, or given."""
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
    """They are those of a dict; the result of an operator is a plain dict."""
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
    """Here the last of the values cannot be pickled."""
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
    """A change of the copy is not seen in the mapping until it is set; also in a large buffer."""
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


def test_its_lock_is_one_for_all() -> None:
    """It is made when it is first asked for, and its owner can acquire it again."""
    with memory_unchanged():
        d = Dict(n=0)
        again = pickle.loads(pickle.dumps(d))

        with d.get_lock(), again.get_lock():
            again["n"] += 1

        assert d["n"] == 1
        del d, again


def test_an_uninitialised_one_says_so() -> None:
    """Each method raises an error, rather than crash."""
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


def add_up(d: Any, me: int, count: int) -> None:
    """Count under the lock, and set keys of its own."""
    for i in range(count):
        with d.get_lock():
            d["sum"] += 1
        d[me, i] = me


def test_processes_share_it(ctx: Any) -> None:
    """A key that one process sets is seen by the others, under each start method."""
    d: Dict[Any, Any] = Dict(sum=0)

    processes = [ctx.Process(target=add_up, args=(d, me, 100)) for me in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0

    assert d.pop("sum") == 300
    assert d == {(me, i): me for me in range(3) for i in range(100)}


def test_it_is_sent_through_a_queue_and_to_a_pool(ctx: Any) -> None:
    """It is an item, and an argument of a task."""
    d: Dict[str, int] = Dict(a=1)
    queue = ctx.SimpleQueue()
    queue.put(d)

    queue.get()["b"] = 2
    with ctx.Pool(1) as pool:
        pool.apply(Dict.update, (d, {"c": 3}))
    queue.close()

    assert d == {"a": 1, "b": 2, "c": 3}
