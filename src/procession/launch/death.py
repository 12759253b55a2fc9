"""How a process ended, in words.

Idea: an exit code says little to most people; a SIGKILL that nobody sent least of all. It is nearly
always the kernel's out-of-memory killer, and the control group counts what that killed.

Invariant: a hint is given only where the counter moved since processes were started, or as a
possibility.

Layer: process; imports the standard library only.
"""

from __future__ import annotations

_baseline: int | None = None
_watching = False


def watch_memory() -> None:
    """Note, once, how many processes the out-of-memory killer has ended up to now."""
    global _watching, _baseline
    if not _watching:
        _watching, _baseline = True, _oom_kills()


def description(exitcode: int) -> str:
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
    """What the control group's counter says of a SIGKILL; it is read anew for the next time."""
    global _baseline
    now, before = _oom_kills(), _baseline
    if now is None or before is None:
        return ", often by the out-of-memory killer: see dmesg"
    _baseline = now
    if now > before:
        return " by the out-of-memory killer: this control group ran out of memory"
    return ""


def _oom_kills() -> int | None:
    """How many processes of this control group were killed for memory; None if nobody counts."""
    try:
        with open("/proc/self/cgroup", encoding="utf-8") as file:
            groups = [line.rstrip("\n").split(":", 2) for line in file]
    except OSError:
        return None
    for _, controllers, path in groups:
        unified = controllers == ""
        if not unified and "memory" not in controllers.split(","):
            continue
        root = "/sys/fs/cgroup" if unified else "/sys/fs/cgroup/memory"
        count = _counter(root + path + ("/memory.events" if unified else "/memory.oom_control"))
        if count is not None:
            return count
    return None


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
