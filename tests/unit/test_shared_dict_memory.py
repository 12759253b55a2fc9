"""The values of `procession.shared.Dict`, and the memory that it uses."""

import gc
from typing import Any

import pytest

import procession
from procession import _core
from procession.shared import Dict
from tests.support.kill import memory_unchanged


def test_values_are_whatever_can_be_pickled() -> None:
    """They are small and large, with buffers, with shared objects."""
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
    """The mapping is not changed."""
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
    """No memory is kept for deleted keys."""
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


def test_a_mapping_within_another_is_a_reference() -> None:
    """A change of the inner one is seen through the outer one."""
    with memory_unchanged():
        outer: Dict[str, Any] = Dict(inner=Dict(n=1))

        outer["inner"]["n"] = 2
        found = outer["inner"]
        del outer["inner"]

        assert type(found) is Dict
        assert found == {"n": 2}
        del outer, found
