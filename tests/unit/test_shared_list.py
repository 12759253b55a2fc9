"""procession.shared.List: a list that processes share."""

import copy
import pickle
from collections.abc import Callable, MutableSequence
from typing import Any

import pytest

import procession
from procession.shared import Dict, List
from tests.support.kill import memory_unchanged

SLICES = [
    slice(None),
    slice(1, 3),
    slice(3, 1),
    slice(-2, None),
    slice(None, -2),
    slice(100, 200),
    slice(-100, 2),
    slice(None, None, 2),
    slice(1, None, 3),
    slice(None, None, -1),
    slice(4, 1, -2),
    slice(0, 5, 100),
]

# --------------------------------------------------------------------------- as a list


def test_it_is_made_of_what_a_list_is_made_of() -> None:
    """Any iterable."""
    assert List() == []
    assert List("abc") == ["a", "b", "c"]
    assert List(iter(range(1000))) == list(range(1000))
    assert List(List([1, "x" * 5000])) == [1, "x" * 5000]
    assert isinstance(List(), MutableSequence)
    assert procession.shared.List is List
    with pytest.raises(TypeError):
        List(1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="initialised once"):
        List.__init__(List())


def test_items_are_read_set_and_deleted() -> None:
    """From either end, with the errors of a list."""
    items: List[Any] = List(range(6))

    items[0] = "first"
    items[-1] = "last" * 1000
    del items[2]
    del items[-2]

    assert items == ["first", 1, 3, "last" * 1000]
    assert items[1] == items[-3] == 1
    assert len(items) == 4
    for position in (4, -5, 10**10, 10**30):
        for use in (
            lambda: items[position],  # noqa: B023 - it is used at once
            lambda: items.__setitem__(position, 1),  # noqa: B023
            lambda: items.__delitem__(position),  # noqa: B023
            lambda: items.pop(position),  # noqa: B023
        ):
            with pytest.raises(IndexError):
                use()
    with pytest.raises(TypeError, match="indices must be integers"):
        items["a"]  # type: ignore[call-overload]


def test_append_extend_insert_pop_clear() -> None:
    """As a list's."""
    items: List[Any] = List()

    items.append(1)
    items.extend((2, 3))
    items += [4]
    items.insert(0, 0)
    items.insert(-1, 3.5)
    items.insert(100, 5)
    items.insert(-100, -1)

    assert items == [-1, 0, 1, 2, 3, 3.5, 4, 5]
    assert items.pop() == 5
    assert items.pop(0) == -1
    assert items.pop(-2) == 3.5
    assert items == [0, 1, 2, 3, 4]
    items.clear()
    assert items == []
    with pytest.raises(IndexError, match="pop from empty list"):
        items.pop()
    items *= 3
    items.append("x")
    items *= 3
    assert items == ["x"] * 3
    items *= 0
    assert items == []


@pytest.mark.parametrize("where", SLICES, ids=str)
def test_slices_are_those_of_a_list(where: slice) -> None:
    """Read, deleted, and replaced by as many, by more, by fewer."""
    model: list[Any] = list(range(7))

    assert List(model)[where] == model[where]
    for new in (
        ["a"] * len(model[where]),
        ["b"] * 9,
        [],
        ["c"],
        list("abcdefg")[: len(model[where])],
    ):
        expected, items = outcome(model, where, new), outcome(List(model), where, new)
        assert items == expected
    del (items := List(model))[where]
    del (rest := list(model))[where]
    assert items == rest


def outcome(items: Any, where: slice, new: list[str]) -> Any:
    """What a list is after an assignment, or what the error says."""
    items = items[:] if isinstance(items, list) else items
    try:
        items[where] = iter(new)
    except ValueError as error:
        return str(error)
    return list(items)


def test_remove_index_count_contains() -> None:
    """By the comparison of the values."""
    items: List[Any] = List([1, "a", 1.0, [2], None])

    assert items.index(1) == 0
    assert items.index(1, 1) == 2
    assert items.count(True) == 2
    assert [2] in items
    assert "z" not in items
    items.remove([2])
    items.remove(1)
    assert items == ["a", 1.0, None]
    with pytest.raises(ValueError, match="not in list"):
        items.remove("z")
    with pytest.raises(ValueError, match="is not in list"):
        items.index("a", 1)


def test_sort_and_reverse() -> None:
    """Stable, by key, either way round; a failing comparison changes nothing."""
    items = List(["bb", "a", "ccc", "dd"])

    items.sort()
    assert items == ["a", "bb", "ccc", "dd"]
    items.sort(key=len, reverse=True)
    assert items == ["ccc", "bb", "dd", "a"]
    items.reverse()
    assert items == ["a", "dd", "bb", "ccc"]
    items.append(1)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        items.sort()
    assert items == ["a", "dd", "bb", "ccc", 1]


def test_a_sort_sees_what_another_changes_meanwhile() -> None:
    """It begins again, with the list as it is now."""
    items = List([3, 1, 2])
    keys = []

    def key(item: int) -> int:
        if not keys:
            items.append(0)
        keys.append(item)
        return item

    items.sort(key=key)

    assert items == [0, 1, 2, 3]
    assert keys == [3, 1, 2, 3, 1, 2, 0]


def test_it_compares_shows_itself_and_is_copied_as_a_list() -> None:
    """Copies and sums are plain lists."""
    items = List([1, 2])

    assert items == [1, 2] == items
    assert items == List([1, 2])
    assert items != [1]
    assert items != (1, 2)
    assert items < [1, 3]
    assert items <= [1, 2]
    assert items > [1]
    assert items >= List([1, 2])
    assert items + [3] == [1, 2, 3]  # noqa: RUF005 - that is what is tested
    assert [0] + items == [0, 1, 2]  # noqa: RUF005
    assert items * 2 == 2 * items == [1, 2, 1, 2]
    assert repr(items) == "List([1, 2])"
    assert type(items[:]) is type(items.copy()) is type(copy.copy(items)) is list
    assert type(copy.deepcopy(items)) is type(items + items) is list
    assert list(reversed(items)) == [2, 1]
    assert min(items) == 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(items)


def test_an_iteration_is_over_a_snapshot() -> None:
    """What is changed meanwhile is not seen."""
    items = List([1, 2, 3])

    for item in items:
        items.append(10 * item)

    assert items == [1, 2, 3, 10, 20, 30]


# ----------------------------------------------------------------------- values and memory


def test_a_value_that_cannot_be_pickled_is_an_error_of_the_call() -> None:
    """What was there stays."""
    items: List[Any] = List([1, 2])
    refused = memoryview(b"")
    uses: list[Callable[[], Any]] = [
        lambda: items.append(refused),
        lambda: items.insert(0, refused),
        lambda: items.extend(["x" * 5000, refused]),
        lambda: items.__setitem__(0, refused),
        lambda: items.__setitem__(slice(0, 1), [3, refused]),
    ]

    with memory_unchanged():
        for use in uses:
            with pytest.raises(TypeError):
                use()

    assert items == [1, 2]


def test_all_memory_is_given_back() -> None:
    """Of what was replaced, taken out, and left in it at the end."""

    def use() -> None:
        items: List[Any] = List("x" * (i % 3000) for i in range(3000))
        items[10:2000] = [b"y" * 5000] * 10
        items[::7] = ["z"] * len(items[::7])
        del items[::3]
        items.reverse()
        items.sort(key=len)
        items.insert(5, [1] * 5000)
        assert items.pop(5) == [1] * 5000
        items.append(Dict(a=1))
        assert items[-1] == {"a": 1}

    use()  # the process's list of what it holds has grown to what a snapshot needs

    with memory_unchanged():
        use()


def test_its_lock_is_one_for_all() -> None:
    """Also of a copy that was sent."""
    items = List([0])

    with items.get_lock(), pickle.loads(pickle.dumps(items)).get_lock():
        items[0] += 1

    assert items == [1]


def test_an_uninitialised_one_says_so() -> None:
    """Each method, rather than a crash."""
    bare: Any = List.__new__(List)

    for use in (
        lambda: bare[0],
        lambda: bare[:],
        lambda: bare.__setitem__(0, 1),
        lambda: bare.__setitem__(slice(None), [1]),
        lambda: bare.__delitem__(0),
        lambda: len(bare),
        lambda: bare.append(1),
        lambda: bare.extend([1]),
        lambda: bare.insert(0, 1),
        bare.pop,
        bare.clear,
        bare.copy,
        bare.reverse,
        bare.sort,
        bare.get_lock,
    ):
        with pytest.raises(ValueError, match="not initialised"):
            use()


def test_an_order_that_is_none_is_refused() -> None:
    """Each position must be there once."""
    items = List("abc")
    version = items._version()[1]

    for order in ([0, 0, 1], [0, 1, 3], [0, 1, -1]):
        with pytest.raises((ValueError, OverflowError)):
            items._permute(order, version)
    assert not items._permute([0, 1], version)
    assert not items._permute([2, 1, 0], version + 1)
    assert items._permute([2, 0, 1], version)
    assert items == ["c", "a", "b"]


# ------------------------------------------------------------------------------ processes


def fill(items: Any, me: int, count: int) -> None:
    """Append, some at a time."""
    for i in range(count):
        items.append((me, i))
        items.extend([(me, i), (me, i)])


def test_processes_share_it(ctx: Any) -> None:
    """Under each start method; what was extended at a time stays together."""
    items: List[Any] = List()

    processes = [ctx.Process(target=fill, args=(items, me, 100)) for me in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0

    assert len(items) == 900
    for me in range(3):
        assert [i for who, i in items if who == me] == [i for i in range(100) for _ in range(3)]
    pairs = [index for index, item in enumerate(items[:-1]) if items[index + 1] == item]
    assert len(pairs) >= 300
