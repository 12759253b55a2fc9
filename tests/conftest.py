"""Fixtures for all tests: each start method, and the claim that a test leaves nothing behind."""

import contextlib
import gc
import os
import sys
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.leaks import Inventory, adopt_orphans, reap_orphans
from tests.support.waiting import wait_until

METHODS = ("fork", "spawn", "forkserver")
_root = pytest.StashKey[int]()
GRACE = 5.0  # seconds for what ends by itself: an orphaned daemon has one


def pytest_configure(config: pytest.Config) -> None:
    """Name the markers, and have orphans come to this process."""
    for line in (
        "bare: needs no process of Procession; the family's helpers are not started for it",
        "leaks(reason): what the test leaves behind is not held against it",
        "orphans: kills a parent, so that ended grandchildren are collected here",
        "slow: seconds rather than milliseconds; left out on the further interpreters",
    ):
        config.addinivalue_line("markers", line)
    adopt_orphans()
    config.stash[_root] = os.getpid()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Iterator[None]:
    """End a forked child that comes back here: it must not go on as a second run of the tests."""
    try:
        return (yield)
    finally:
        if os.getpid() != item.config.stash[_root]:
            traceback.print_exc(limit=-5)  # less the frames of the test runner
            print(f"{item.nodeid}: a forked child got out of its own code", file=sys.stderr)
            sys.stderr.flush()
            os._exit(70)


@pytest.fixture(params=METHODS)
def ctx(request: pytest.FixtureRequest) -> Any:
    """Procession's context for each start method in turn."""
    import procession

    return procession.get_context(request.param)


@pytest.fixture
def sound() -> Iterator[None]:
    """After the test, the arena's own checker finds nothing wrong (where the build has one)."""
    yield
    from procession import _core

    check = getattr(_core, "arena_check", None)
    if check is not None:
        assert check() == []


@pytest.fixture(scope="session", autouse=True)
def hooks() -> None:
    """Tests make objects of the core's own types, without the modules that give it its hooks."""
    from procession._pickling import core_hooks

    core_hooks.give()


@pytest.fixture(scope="session")
def family() -> None:
    """Bring into being what lives as long as the family: arena, death pipe, fork server."""
    import procession

    for method in METHODS:
        process = procession.get_context(method).Process(target=int)
        process.start()
        process.join(30)
        assert process.exitcode == 0, f"{method}: exit code {process.exitcode}"
        process.close()


@pytest.fixture(scope="session")
def tracker() -> None:
    """Start what lives as long as the family, for tests that need no more of one."""
    from procession import resource_tracker

    resource_tracker.ensure_running()


@pytest.fixture(autouse=True)
def nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """After each test: no process, thread, descriptor or shared memory file more than before."""
    from procession import _core

    _core.family_fd()  # the arena, which lives as long as this process: the first pipe makes it
    if request.node.get_closest_marker("bare") is None:
        request.getfixturevalue("family")
    before = Inventory.take()
    yield
    if request.node.get_closest_marker("leaks") is not None:
        return
    adopts = request.node.get_closest_marker("orphans") is not None
    left: list[str] = []

    def nothing() -> bool:
        left[:] = left_since(before, adopts)
        return not left

    with contextlib.suppress(AssertionError):  # reported below, with the list
        wait_until(nothing, GRACE)
    if left:
        pytest.fail("left behind by this test:\n  " + "\n  ".join(left), pytrace=False)


def left_since(before: Inventory, adopts: bool) -> list[str]:
    """Return what is there more than *before*, once ended children and garbage are gone."""
    if "procession" in sys.modules:
        sys.modules["procession"].active_children()
    if adopts:
        reap_orphans(before.children)
    if Inventory.take().more_than(before):
        gc.collect()  # only now: it costs more than most tests
    return Inventory.take().more_than(before)
