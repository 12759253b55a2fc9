"""The claim that no crash point is left out."""

from pathlib import Path

import pytest

FOLDER = Path(__file__).parent


def test_every_crash_point_of_the_core_is_killed_at(
    request: pytest.FixtureRequest, killed_at: dict[str, set[str]], all_points: list[str]
) -> None:
    """Each CRASH_POINT in native/ is the parameter ``point`` of some test of this folder."""
    collected = {item.path for item in request.session.items}
    if not {*FOLDER.glob("test_*.py")} <= collected:
        pytest.skip("only a run of the whole folder can tell")

    assert [point for point in all_points if point not in killed_at] == []
