"""Shared mappings and lists, killed at every point that each of their operations passes.

Idea: each operation is run again and again and killed one point later, until it comes to its end.
What is found afterwards, by the same process or by the next, is what was there before or what was
to be: nothing between. Nothing of it costs memory for good.
"""

import pickle
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from procession import _core
from procession.shared import Dict, List
from tests.crash.kills import Work, killed_after_another, matching
from tests.support.kill import WITHIN, Child, armed, arrived, child, memory_unchanged

pytestmark = pytest.mark.usefixtures("sound")

ANY = "*"
MOST = 1000  # passages of one operation
LARGE = "x" * 5000  # a value that lies in a block of its own

Act = Callable[[Any], object]


class Case(NamedTuple):
    """An operation on what is made of *content*; *result* is what is there after it."""

    act: Act
    content: Any
    result: Any


def dicts() -> dict[str, Case]:
    """The operations of a mapping."""
    some = {"a": 1, "b": LARGE, "c": [3]}
    many = {i: i for i in range(4)}  # as many as have places, before it must grow
    return {
        "d[new] = small": Case(lambda d: d.__setitem__("n", 1), some, {**some, "n": 1}),
        "d[new] = large": Case(lambda d: d.__setitem__("n", LARGE), some, {**some, "n": LARGE}),
        "d[old] = small": Case(lambda d: d.__setitem__("b", 2), some, {**some, "b": 2}),
        "d[old] = large": Case(lambda d: d.__setitem__("a", LARGE), some, {**some, "a": LARGE}),
        "d[first] = 1": Case(lambda d: d.__setitem__("n", 1), {}, {"n": 1}),
        "d[new] grows": Case(lambda d: d.__setitem__("n", LARGE), many, {**many, "n": LARGE}),
        "d[old]": Case(lambda d: d["a"], some, some),
        "d[large]": Case(lambda d: d["b"], some, some),
        "key in d": Case(lambda d: "a" in d, some, some),
        "len(d)": Case(len, some, some),
        "del d[key]": Case(lambda d: d.__delitem__("b"), some, without(some, "b")),
        "d.pop(small)": Case(lambda d: d.pop("a"), some, without(some, "a")),
        "d.pop(large)": Case(lambda d: d.pop("b"), some, without(some, "b")),
        "d.popitem()": Case(lambda d: d.popitem(), some, without(some, "c")),
        "d.popitem() of a large one": Case(lambda d: d.popitem(), {"b": LARGE}, {}),
        "d.setdefault(new)": Case(lambda d: d.setdefault("n", 1), some, {**some, "n": 1}),
        "d.setdefault(old)": Case(lambda d: d.setdefault("b", 1), some, some),
        "d.get_or_set(new)": Case(
            lambda d: d.get_or_set("n", lambda: LARGE), some, {**some, "n": LARGE}
        ),
        "d.clear()": Case(lambda d: d.clear(), some, {}),
        "d.copy()": Case(lambda d: d.copy(), some, some),
        "d.update(...)": Case(
            lambda d: d.update({"a": LARGE, "b": 2, "n": LARGE, "m": 4}),
            some,
            {"a": LARGE, "b": 2, "c": [3], "n": LARGE, "m": 4},
        ),
        "d.update(...) of few": Case(lambda d: d.update(a=2, b=3), some, {**some, "a": 2, "b": 3}),
    }


def without(some: dict[str, Any], key: str) -> dict[str, Any]:
    """The others."""
    return {each: value for each, value in some.items() if each != key}


def lists() -> dict[str, Case]:
    """The operations of a list."""
    some = [1, LARGE, [3], LARGE, 5]
    full = [1, 2, 3, 4]  # as many as have places, before it must grow
    return {
        "l.append(small)": Case(lambda items: items.append(1), some, [*some, 1]),
        "l.append(large)": Case(lambda items: items.append(LARGE), some, [*some, LARGE]),
        "l.append(first)": Case(lambda items: items.append(1), [], [1]),
        "l.append(...) grows": Case(lambda items: items.append(LARGE), full, [*full, LARGE]),
        "l[i]": Case(lambda items: items[1], some, some),
        "l[i:j]": Case(lambda items: items[1:3], some, some),
        "l[i] =": Case(lambda items: items.__setitem__(1, 2), some, [1, 2, *some[2:]]),
        "del l[i]": Case(lambda items: items.__delitem__(1), some, [1, *some[2:]]),
        "l.pop()": Case(lambda items: items.pop(), some, some[:-1]),
        "l.pop() of a large one": Case(lambda items: items.pop(), [1, LARGE], [1]),
        "l.pop(i)": Case(lambda items: items.pop(1), some, [1, *some[2:]]),
        "l.insert(i)": Case(lambda items: items.insert(1, LARGE), some, [1, LARGE, *some[1:]]),
        "l.extend(...)": Case(lambda items: items.extend([LARGE, 7]), some, [*some, LARGE, 7]),
        "l[i:j] =": Case(
            lambda items: items.__setitem__(slice(1, 4), [LARGE, 7]), some, [1, LARGE, 7, 5]
        ),
        "l[::2] =": Case(
            lambda items: items.__setitem__(slice(None, None, 2), "abc"),
            some,
            ["a", LARGE, "b", LARGE, "c"],
        ),
        "del l[::-2]": Case(
            lambda items: items.__delitem__(slice(None, None, -2)), some, [LARGE, LARGE]
        ),
        "l.remove(...)": Case(lambda items: items.remove([3]), some, [*some[:2], *some[3:]]),
        "l.reverse()": Case(lambda items: items.reverse(), some, some[::-1]),
        "l.sort()": Case(lambda items: items.sort(key=str), some, sorted(some, key=str)),
        "l.clear()": Case(lambda items: items.clear(), some, []),
    }


CASES = {name: (Dict, case) for name, case in dicts().items()} | {
    name: (List, case) for name, case in lists().items()
}


def is_well(shared: Any, case: Case) -> None:
    """It is as before or as after, and can be used."""
    found = shared.copy()
    assert found in (case.content, case.result)
    if isinstance(found, dict):
        assert list(found) in (list(case.content), list(case.result))
        shared.update({("after", i): LARGE for i in range(3)})
        assert shared.pop(("after", 0)) == LARGE
    else:
        shared.insert(1, "after")
        assert shared.pop(1 if found else 0) == "after"


def kill_and_look(make: Any, case: Case, passage: int) -> bool:
    """Whether the operation was killed; then somebody has used what it was at.

    The dead are reclaimed every other time only, so that those who come find them in either state.
    """
    shared = make(case.content)
    dying = Child(armed(ANY, lambda: case.act(shared), passage), reclaim=passage % 2 == 0)
    if not arrived(dying, ANY):
        assert shared.copy() == case.result
        return False
    with child(lambda: is_well(shared, case)) as survivor:
        assert survivor.wait(WITHIN, f"a look after passage {passage}") == 0
    return True


@pytest.mark.parametrize("name", list(CASES))
def test_an_operation_killed_anywhere_is_whole_or_absent(name: str) -> None:
    """What follows finds one or the other within a second; nothing is lost and nothing leaks."""
    make, case = CASES[name]
    passage = 1

    with memory_unchanged():
        while kill_and_look(make, case, passage):
            passage += 1
            assert passage < MOST, "the operation has no end"

    assert passage > 1


# The operations that pass the points of each prefix; the first that fits counts.
USERS = {
    "dict.pop_last.": ["d.popitem() of a large one"],
    "dict.pop.": ["d.pop(large)"],
    "dict.update.": ["d.update(...)"],
    "write_batch.": ["d.update(...)", "l[i:j] ="],
    "list.extend.": ["l.extend(...)"],
    "list.pop.": ["l.pop(i)"],
    "list.": ["l[i:j] ="],
    "snapshot.": ["d.copy()", "l[i:j]"],
    "container.replace_table.": ["d[new] grows", "l.append(...) grows"],
    "container.": ["d.update(...)", "l[i:j] ="],
}


@pytest.mark.parametrize("point", matching([f"{prefix}*" for prefix in USERS]))
def test_who_repairs_may_be_killed_as_well(point: str) -> None:
    """The first dies at *point*, the second of repairing that, the third finds all well."""
    names = next(names for prefix, names in USERS.items() if point.startswith(prefix))
    for make, case in (CASES[name] for name in names):
        passage, killed = 1, True
        while killed:
            shared = make(case.content)
            first: Work | str = armed(point, lambda: case.act(shared))  # noqa: B023 - used at once
            if point == "container.repaired":
                first = armed("container.before_unlock", lambda: case.act(shared))  # noqa: B023
            look = armed("container.*", lambda: len(shared), passage)  # noqa: B023
            killed = killed_after_another(look, first)
            with child(lambda: is_well(shared, case)) as survivor:  # noqa: B023
                assert survivor.wait(WITHIN, f"a look after {point}, passage {passage}") == 0
            passage += 1
        assert passage > 2


@pytest.mark.parametrize("make", [Dict, List])
def test_who_makes_one_uses_it_and_drops_it_may_be_killed_anywhere(make: Any) -> None:
    """What was made by the dead, and all that was in it, is taken back."""

    def use() -> None:
        shared = make()
        if make is Dict:
            shared.update(a=LARGE, b=make())
        else:
            shared.extend([LARGE, make()])
        with pickle.loads(pickle.dumps(shared)).get_lock():
            shared.copy()

    passage = 1
    with memory_unchanged():
        while arrived(Child(armed(ANY, use, passage)), ANY):
            passage += 1
            assert passage < MOST, "the work has no end"
    assert passage > 100


def test_an_update_is_there_once_its_batch_is_handed_over() -> None:
    """Whoever comes next carries it out, also when that one dies of it."""
    content, new = {i: i for i in range(10)}, dict.fromkeys(range(5, 15), LARGE)
    for passage in range(1, 12):
        shared = Dict(content)
        work = armed("dict.update.committed", lambda shared=shared: shared.update(new))
        assert arrived(Child(work), ANY)

        look = armed("container.committed", lambda shared=shared: len(shared), passage)

        assert arrived(Child(look), ANY)
        assert shared == {**content, **new}
        assert _core.arena_check() == []  # type: ignore[attr-defined]
