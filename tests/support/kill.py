"""Children that are killed: at a named point of the core, or by a signal from outside.

Idea: a child made by the core's own fork costs a few milliseconds, so a test can afford to kill one
at every passage of every point. What the child did is judged from outside: by how it ended, and by
what it told through a `Counter`, which a kill cannot tear.

Invariant: no child outlives the call or the ``with`` block that started it, whatever happens there;
a child that hangs is killed, and its test fails and says at what point.
"""

import contextlib
import gc
import os
import select
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from procession import _core

TIMEOUT = 10.0  # seconds: what takes so long has hung
WITHIN = 1.0  # seconds after which no survivor may still be waiting for the dead


_running: set["Child"] = set()


def kill_the_rest() -> None:
    """SIGKILL the children that still run, as they do when a test fails half-way."""
    for process in list(_running):
        process.kill()
        process.wait()


class Child:
    """A forked process that runs one function and never returns from it."""

    def __init__(self, work: Callable[[], object], *, reclaim: bool = True) -> None:
        self.exitcode: int | None = None
        self._reclaim = reclaim
        self.pid = _core.fork()
        if self.pid == 0:
            _run_and_leave(work)
        _running.add(self)

    def kill(self) -> None:
        """SIGKILL it."""
        os.kill(self.pid, signal.SIGKILL)

    def wait(self, timeout: float = TIMEOUT, doing: str = "its work") -> int:
        """Wait for its end; return its exit code, negative for a signal.

        Raises:
            AssertionError: it still runs after *timeout* seconds; it is killed.
        """
        if self.exitcode is None:
            hangs = not _ended(self.pid, timeout)
            where = sleeping_in(self.pid) if hangs else ""
            if hangs:
                self.kill()
            self.exitcode = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            _running.discard(self)
            if self._reclaim:
                _core.reclaim_process(self.pid)
            assert not hangs, f"the child still ran {timeout} s after {doing} began ({where})"
        return self.exitcode


@contextlib.contextmanager
def child(work: Callable[[], object]) -> Iterator[Child]:
    """Run *work* in a child while the body runs; it is killed at the end if it still runs."""
    process = Child(work)
    try:
        yield process
    finally:
        if process.exitcode is None:
            process.kill()
            process.wait()


def killed_at(
    point: str, work: Callable[[], object], passage: int = 1, *, reclaim: bool = True
) -> bool:
    """Run *work* in a child that is killed at a passage of *point*; whether it came so far.

    Args:
        reclaim: whether this process, which so repairs what the child left, reclaims it.
    Raises:
        AssertionError: it hangs, or it ended in a third way.
    """
    return arrived(Child(armed(point, work, passage), reclaim=reclaim), point)


def arrived(process: Child, point: str) -> bool:
    """Wait for the end of a child that is armed; whether it was killed at *point*."""
    exitcode = process.wait(doing=f"the way to {point}")
    assert exitcode in (0, -signal.SIGKILL), f"exit code {exitcode} on the way to {point}"
    return exitcode != 0


def armed(point: str, work: Callable[[], object], passage: int = 1) -> Callable[[], None]:
    """*work*, to be killed when it passes *point* for the *passage*-th time."""

    def run() -> None:
        _core.crash_arm(point, passage)  # type: ignore[attr-defined]
        work()
        _core.crash_arm(None)  # type: ignore[attr-defined]

    return run


class Signal:
    """Lets children wait for this process, without any use of the core."""

    MOST = 64  # children that may wait for one signal

    def __enter__(self) -> "Signal":
        self._read, self._write = os.pipe()
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._read)
        os.close(self._write)

    def give(self) -> None:
        """Let all who wait, and who will, go on."""
        os.write(self._write, b"." * self.MOST)

    def wait(self) -> None:
        """In a child: wait until it is given."""
        os.read(self._read, 1)


class Counter:
    """Counts up from several processes; what was counted is never lost with the one that did."""

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        os.set_blocking(self._read, False)

    def add(self) -> None:
        """One more."""
        os.write(self._write, b".")

    def count(self) -> int:
        """Return how many were added since the last call."""
        with contextlib.suppress(BlockingIOError):
            return len(os.read(self._read, 1 << 16))
        return 0

    def __enter__(self) -> "Counter":
        return self

    def __exit__(self, *exc: object) -> None:
        os.close(self._read)
        os.close(self._write)


def is_asleep(pid: int) -> bool:
    """Whether the process waits for something, rather than runs."""
    return _state(pid) == "S"


def has_ended(pid: int) -> bool:
    """Whether the process has ended, waited for or not."""
    return _state(pid) in "XZ"


def _state(pid: int) -> str:
    """The letter that /proc has for it; X, which is there for a moment only, also afterwards."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # gone before the open, or before the read
        return "X"


def sleeping_in(pid: int) -> str:
    """Where in the kernel the process is, for a report."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/wchan").read_text() or "running"
    return "unknown"


def memory_in_use() -> int:
    """Bytes of the arena in blocks that somebody holds, once the dead are reaped.

    A dead block is taken apart by whoever next uses the arena, a bounded step at a time; so the
    arena is used here until there is nothing more to take apart.
    """
    gc.collect()  # what earlier tests left in cycles would go at any later time
    _core.reclaim_dead()
    used = _core.arena_usage()["used"]
    while True:
        _core.Block(1)
        now = _core.arena_usage()["used"]
        if now >= used:
            return now
        used = now


@contextlib.contextmanager
def memory_unchanged() -> Iterator[None]:
    """After the body no child runs, and no more of the arena is in use, nor less, than before."""
    before = memory_in_use()
    try:
        yield
    finally:
        kill_the_rest()
    now = memory_in_use()
    assert now == before, f"{now - before:+d} bytes in use"


def _ended(pid: int, timeout: float) -> bool:
    """Wait until the child has ended, leaving its status to be fetched."""
    pidfd = os.pidfd_open(pid)
    try:
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        return bool(poller.poll(timeout * 1000))
    finally:
        os.close(pidfd)


def _run_and_leave(work: Callable[[], object]) -> None:
    """In the child: never return into the test."""
    code = 1
    try:
        work()
        code = 0
    except BaseException:  # noqa: BLE001 - the child ends here; the parent sees the exit code
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)
