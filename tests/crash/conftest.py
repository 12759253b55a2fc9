"""These tests need the core that can be killed at named points."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Refuse to run on the release core, where no point would ever be reached."""
    from procession import _core

    here = [item for item in items if "crash" in item.path.parts]
    if here and not hasattr(_core, "crash_arm"):
        raise pytest.UsageError(
            f"{_core.__file__} is not the crash build; use `make test-crash`, or "
            "`make build-crash` and PYTHONPATH=.build/crash/site"
        )
