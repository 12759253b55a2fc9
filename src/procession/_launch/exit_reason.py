"""How a process ended, in words.

Idea: an exit code says little to most people; a SIGKILL that nobody sent least of all. It is nearly
always the kernel's out-of-memory killer, and the control group counts what that killed.

Invariant: each kill that the counter shows explains one SIGKILL; without a counter the hint is a
possibility.

Layer: process; imports the standard library only.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

_GROUPS = "/proc/self/cgroup"
_MOUNT = "/sys/fs/cgroup"

# How many kills have been counted, less those that explained a death since.
_explained: int | None = None
_watching = False


def watch_memory() -> None:
    """Note, once, how many processes the out-of-memory killer has ended up to now."""
    global _watching, _explained
    if not _watching:
        _watching, _explained = True, _oom_kills()


def describe(exitcode: int) -> str:
    """Return the end of a sentence that begins with the process."""
    if exitcode >= 0:
        return f"exited with code {exitcode}"
    from signal import Signals  # not cheap, and only for an error

    try:
        name = Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    return f"was killed by {name}{_memory_hint() if name == 'SIGKILL' else ''}"


def _memory_hint() -> str:
    """What the control group's counter says of a SIGKILL."""
    global _explained
    now, before = _oom_kills(), _explained
    if now is None or before is None:
        return ", often by the out-of-memory killer: see dmesg"
    if now <= before:
        return ""
    _explained = before + 1
    return (
        " by the out-of-memory killer: this control group ran out of memory (its counter of such "
        f"kills went from {before} to {now})"
    )


def _oom_kills() -> int | None:
    """How many processes of this control group were killed for memory; None if nobody counts."""
    for path in _counters():
        count = _counter(path)
        if count is not None:
            return count
    return None


def _counters() -> Iterator[str]:
    """The files that may have the counter: version 2 of control groups, or 1; nearest first.

    In a container the path that the kernel tells may begin above what is mounted: then the file is
    found by a shorter path, or it is the mounted root's.
    """
    try:
        with open(_GROUPS, encoding="utf-8") as file:
            groups = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return
    for _, controllers, path in groups:
        if controllers == "":
            root, name = _MOUNT, "memory.events"
        elif "memory" in controllers.split(","):
            root, name = f"{_MOUNT}/memory", "memory.oom_control"
        else:
            continue
        parts = [part for part in path.split("/") if part]
        for depth in range(len(parts) + 1):
            yield "/".join((root, *parts[depth:], name))
        for depth in range(len(parts) - 1, 0, -1):
            yield "/".join((root, *parts[:depth], name))


def _counter(path: str) -> int | None:
    try:
        with open(path, encoding="utf-8") as file:
            for line in file:
                name, _, number = line.partition(" ")
                if name == "oom_kill":
                    return int(number)
    except OSError:
        return None
    return None
