"""These tests need the core that can be killed at named points."""

from typing import Any

import pytest

from tests.support.crash import crash_points

POINT_PARAMETER = "point"  # the name by which a test says at which point it kills
_killed_at = pytest.StashKey[dict[str, set[str]]]()


@pytest.hookimpl(tryfirst=True)  # before -k and the like take tests away
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse the release core, where no point is ever reached; note who kills where."""
    from procession import _core

    here = [item for item in items if "crash" in item.path.parts]
    if here and not hasattr(_core, "crash_arm"):
        raise pytest.UsageError(
            f"{_core.__file__} is not the crash build; use `make test-crash`, or "
            "`make build-crash` and PYTHONPATH=.build/crash/site"
        )
    killed_at: dict[str, set[str]] = {}
    for item in here:
        point = _point_of(item)
        if point is not None:
            killed_at.setdefault(point, set()).add(item.nodeid.partition("[")[0])
    config.stash[_killed_at] = killed_at


def _point_of(item: pytest.Item) -> str | None:
    callspec: Any = getattr(item, "callspec", None)
    return None if callspec is None else callspec.params.get(POINT_PARAMETER)


@pytest.fixture
def killed_at(request: pytest.FixtureRequest) -> dict[str, set[str]]:
    """Which tests kill at which point: by name of the point, the tests' node ids."""
    return request.config.stash[_killed_at]


@pytest.fixture(scope="session")
def all_points() -> list[str]:
    """The names of all crash points in the core's sources."""
    return crash_points("")
