"""What synchronization and value types cost while they are there, and what is left of them."""

import os
from typing import Any

import pytest

from procession import _core
from procession.sharedctypes import Array, RawArray, RawValue, Value
from procession.synchronize import (
    Barrier,
    BoundedSemaphore,
    Condition,
    Event,
    Lock,
    RLock,
    Semaphore,
)
from tests.support.kill import memory_in_use

PRIMITIVES = (
    Lock,
    RLock,
    Semaphore,
    BoundedSemaphore,
    Event,
    Condition,
    lambda: Barrier(2),
    lambda: Value("i", 1),
    lambda: Array("d", 3),
    lambda: RawValue("i", 1),
    lambda: RawArray("d", 3),
)


@pytest.mark.parametrize("make", PRIMITIVES)
def test_ten_thousand_take_no_descriptor_and_their_memory_returns(make: Any) -> None:
    """They are numbers. The second ten thousand take the place of the first."""
    descriptors = len(os.listdir("/proc/self/fd"))
    used, committed = [], []

    for _ in range(3):
        things = [make() for _ in range(10_000)]
        assert len(os.listdir("/proc/self/fd")) == descriptors
        committed.append(_core.arena_usage()["committed"])
        things.clear()
        used.append(memory_in_use())

    # The first round makes the list longer of what this process holds, and that stays so.
    assert used[0] == used[1] == used[2]
    assert committed[1] == committed[2]


@pytest.mark.parametrize("kind", [Lock, RLock, Semaphore, Event, Condition, Barrier])
def test_what_was_never_initialised_says_so(kind: Any) -> None:
    """Rather than crash."""
    thing = kind.__new__(kind)

    for method in ("acquire", "release", "wait", "set", "notify", "reset", "__enter__"):
        if hasattr(kind, method):
            with pytest.raises(ValueError, match=r"initialised|no lock yet"):
                getattr(thing, method)()
    assert repr(kind)
