"""Pools for the tests of what a pool does; a file of tests may have others by these names."""

from collections.abc import Iterator
from typing import Any

import pytest

import procession
from tests.support.tasks import WORKERS


@pytest.fixture
def pool(ctx: Any) -> Iterator[Any]:
    """A pool of each start method in turn."""
    with ctx.Pool(WORKERS) as pool:
        yield pool
    pool.join()


@pytest.fixture
def forked() -> Iterator[Any]:
    """A pool of forked workers."""
    with procession.get_context("fork").Pool(WORKERS) as pool:
        yield pool
    pool.join()
