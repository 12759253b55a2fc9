"""Pools, managers and segments for tests; a file of tests may have others by these names."""

from collections.abc import Iterator
from typing import Any

import pytest

import procession
from procession.shared_memory import SharedMemory
from tests.support.managers import running
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


@pytest.fixture
def manager(ctx: Any) -> Iterator[Any]:
    """A manager whose server was started by each method in turn."""
    with running(ctx.Manager()) as manager:
        yield manager


@pytest.fixture
def forked_manager() -> Iterator[Any]:
    """A manager whose server was forked, for tests in which the start method does not matter."""
    with running(procession.get_context("fork").Manager()) as manager:
        yield manager


@pytest.fixture
def segment() -> Iterator[SharedMemory]:
    """A segment of shared memory of one page, which is removed afterwards."""
    made = SharedMemory(create=True, size=4096)
    yield made
    made.close()
    made.unlink()
