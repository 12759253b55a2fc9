"""How long a manager keeps its objects: references, proxies in pickles, clients that end."""

import copy
import signal
from typing import Any

import pytest

from procession.managers import SyncManager
from procession.managers._objects import Holder, Referents
from tests.support import wait_until
from tests.support.managers import run_child


def test_a_referent_ends_with_its_last_proxy(forked_manager: Any) -> None:
    inner = forked_manager.list()
    outer = forked_manager.dict(inner=inner)
    again = copy.copy(outer)
    counts = [forked_manager._number_of_objects()]
    del inner, outer
    counts.append(forked_manager._number_of_objects())
    again["inner"].append(1)
    assert again.pop("inner")[:] == [1]
    counts.append(forked_manager._number_of_objects())
    del again
    counts.append(forked_manager._number_of_objects())

    assert counts == [2, 1, 1, 0]
    assert forked_manager._debug_info() == ""


def hold_and_wait(shared: Any, ready: Any) -> None:
    mine = [copy.copy(shared) for _ in range(5)]
    ready.put(len(mine))
    signal.pause()


def test_a_killed_client_gives_back_what_it_counted(ctx: Any, manager: Any) -> None:
    """It does so at once: the server sees the connections close."""
    ready = ctx.Queue()
    shared = manager.list()
    process = ctx.Process(target=hold_and_wait, args=(shared, ready))
    process.start()
    assert ready.get(timeout=30) == 5
    del shared
    alive = manager._number_of_objects()
    process.kill()
    process.join()
    process.close()

    assert alive == 1
    wait_until(lambda: manager._number_of_objects() == 0)


def send_and_end(manager_address: Any, authkey: bytes, results: Any) -> None:
    manager = SyncManager(manager_address, authkey)
    manager.connect()
    results.put(manager.list(["sent"]))


def test_a_proxy_outlives_its_sender(ctx: Any, manager: Any) -> None:
    """The only proxy is in a queue, its sender has ended: the lease keeps the referent."""
    results = ctx.Queue()
    assert run_child(ctx, send_and_end, manager.address, bytes(manager._authkey), results) == 0
    during = manager._number_of_objects()
    received = results.get()

    assert received[:] == ["sent"]
    assert during == 1
    del received
    assert manager._number_of_objects() == 0


def test_a_temporary_proxy_is_an_argument(ctx: Any, manager: Any) -> None:
    """The parent's proxy has ended by the time when the child makes its own."""
    results = ctx.Queue()

    assert run_child(ctx, put_copy, manager.list([7]), results) == 0

    assert results.get() == [7]


def put_copy(shared: Any, results: Any) -> None:
    results.put(shared[:])


def test_proxies_are_passed_on_from_process_to_process(ctx: Any, manager: Any) -> None:
    shared = manager.list()

    assert run_child(ctx, pass_on, ctx, shared, 2) == 0

    assert shared[:] == [0, 1, 2]


def pass_on(ctx: Any, shared: Any, depth: int) -> None:
    if depth:
        assert run_child(ctx, pass_on, ctx, shared, depth - 1) == 0
    shared.append(depth)


def test_leases_end_after_their_holder_or_when_there_are_too_many(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A pickle that is never read keeps its referent for some time only."""
    monkeypatch.setattr("procession.managers._objects.GRACE", 0.0)
    monkeypatch.setattr("procession.managers._objects.MOST_LEASES", 3)
    referents, writer, reader = Referents(), Holder(), Holder()
    ident = referents.add("list", [], ["append"], None, writer).id
    leases = [referents.lease(ident, writer) for _ in range(5)]
    counts = [referents.get(ident).count]
    referents.incref(leases[4], reader)
    counts.append(referents.get(leases[4]).count)
    referents.release_all(writer)
    counts.append(referents.get(ident).count)
    assert referents.end_expired_leases() is None
    counts.append(referents.get(ident).count)
    referents.release_all(reader)

    assert counts == [4, 4, 3, 1]
    assert ident not in referents
