"""Whatever load a test was, the arena is whole after it, as far as the build can tell."""

import pytest


@pytest.fixture(autouse=True)
def _sound(sound: None) -> None:
    """With the core that checks itself (``make test-debug``) the arena is walked over."""
