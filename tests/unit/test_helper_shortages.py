"""Helpers that run out of threads or descriptors: they refuse one client, wait, and work again."""

import os
import threading
from pathlib import Path
from typing import Any

import pytest

import procession
from procession import managers, reduction
from procession._base.shortage import GrowingPause, is_shortage
from procession.connection import _fd_sharer
from tests.support import run_python

CONTEXT = procession.get_context("fork")


def without_threads(flag: str, name: str) -> None:
    """Make the threads of that name fail to start as long as the file *flag* is there."""
    start = threading.Thread.start

    def limited(self: threading.Thread) -> None:
        if self.name == name and os.path.exists(flag):
            raise RuntimeError("can't start new thread")
        start(self)

    threading.Thread.start = limited  # type: ignore[method-assign]


def outcome_of_a_client(manager: Any) -> Any:
    """Call the manager from a new thread, which needs a connection of its own."""
    outcome: list[Any] = []

    def call() -> None:
        try:
            outcome.append(list(manager.list([1, 2])))
        except Exception as error:  # noqa: BLE001 - the test looks at it
            outcome.append(error)

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(30)
    return outcome[0]


@pytest.mark.parametrize("name", ["manager-call", "manager-channel"])
def test_a_manager_without_threads_goes_on(name: str, tmp_path: Path) -> None:
    """That client is told why; the others are served, and later clients are, too."""
    flag = tmp_path / "no-threads"
    manager = managers.SyncManager(ctx=CONTEXT)
    manager.start(without_threads, (str(flag), name))
    with manager:
        items = manager.list([0])
        assert items[0] == 0
        for _ in range(3):
            flag.touch()
            refused = outcome_of_a_client(manager)
            if name == "manager-call":
                assert isinstance(refused, managers.RemoteError)
                assert "could not start a thread for this client" in str(refused)
            assert items[0] == 0
            flag.unlink()
            assert outcome_of_a_client(manager) == [1, 2]


def test_a_sharer_without_a_thread_is_tried_again(monkeypatch: Any) -> None:
    """The call says so, and leaves no descriptor; the next call works."""
    sharer = _fd_sharer._ResourceSharer()
    monkeypatch.setattr(_fd_sharer, "_resource_sharer", sharer)
    start = threading.Thread.start

    def failing(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    reader, writer = os.pipe()
    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as limited:
        limited.setattr(threading.Thread, "start", failing)
        with pytest.raises(RuntimeError, match="new thread"):
            reduction.DupFd(reader)
    assert len(os.listdir("/proc/self/fd")) == before
    assert threading.Thread.start is start

    duplicate = reduction.DupFd(reader)
    os.write(writer, b"x")
    fetched = duplicate.detach()
    assert os.read(fetched, 1) == b"x"

    sharer.stop(10)
    for fd in (reader, writer, fetched):
        os.close(fd)


def test_a_sharer_without_descriptors_pauses_and_works_again() -> None:
    """Its socket stays ready as long as nothing can be accepted: it is not tried all the time."""
    outcome = run_python(
        """
        import os, resource, socket, time
        import procession
        from procession import reduction, resource_sharer
        from procession.connection import Listener

        reader, writer = os.pipe()
        duplicate = reduction.DupFd(reader)
        sharer = resource_sharer._resource_sharer
        client = socket.socket(socket.AF_UNIX)
        accept, calls = Listener.accept, []
        Listener.accept = lambda self, *a: calls.append(0) or accept(self, *a)
        resource.setrlimit(resource.RLIMIT_NOFILE, (40, 4096))
        held = []
        try:
            while True:
                held.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            client.connect(sharer._listener.address)
        time.sleep(1)
        print(0 < len(calls) < 20)
        for fd in held:
            os.close(fd)
        client.close()
        os.write(writer, b"x")
        print(os.read(duplicate.detach(), 1))
        """
    )

    assert outcome.stdout == "True\nb'x'\n", outcome.stderr


def test_the_pauses_of_a_shortage_grow_and_are_bounded(monkeypatch: Any) -> None:
    """A long shortage costs two attempts a second."""
    slept: list[float] = []
    monkeypatch.setattr("time.sleep", slept.append)
    pause = GrowingPause()
    for _ in range(9):
        pause.wait()
    pause.reset()
    pause.wait()

    assert slept == [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.5, 0.5, 0.5, 0.01]
    assert is_shortage(OSError(24, ""))
    assert not is_shortage(OSError(9, ""))
