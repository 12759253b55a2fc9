"""An arena whose growth is cut short: by a kill at each step of taking fresh memory."""

from typing import Any

import pytest

from procession import _core
from tests.support.crash import crash_points
from tests.support.kill import killed_at, memory_unchanged

pytestmark = pytest.mark.usefixtures("sound")

MEBIBYTE = 1 << 20


GROWTHS = 4


def take_fresh_memory() -> None:
    """Hold large blocks until the arena has grown some times; what is free does not do."""
    held: list[Any] = []
    sizes = {_core.arena_usage()["committed"]}
    while len(sizes) <= GROWTHS:
        held.append(_core.Block(MEBIBYTE))
        sizes.add(_core.arena_usage()["committed"])
    held.clear()


@pytest.mark.parametrize("passage", [1, 3])
@pytest.mark.parametrize("point", crash_points("arena.grow."))
def test_a_kill_while_the_arena_grows_costs_no_memory(point: str, passage: int) -> None:
    """What the killed process held is released, and the next one grows the arena as well."""
    with memory_unchanged():
        assert killed_at(point, take_fresh_memory, passage)

        assert not killed_at(point, take_fresh_memory, passage=1000)
