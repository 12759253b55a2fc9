"""How a process ended, in words.

Idea: an exit code says little to most people, and a SIGKILL that no program sent says least. It is
nearly always the kernel's out-of-memory killer, and the control group counts its kills.

Invariant: each kill that the counter shows explains one SIGKILL; without a counter the hint is a
possibility.

Layer: process; imports base.
"""

from __future__ import annotations

import os

from .._base import cgroup

_ROOT = "/"  # of the file system; tests set another
_COUNTER_FILES = {cgroup.V1: "memory.oom_control", cgroup.V2: "memory.events"}

# The number of kills at the first start, and one more for each that has explained a SIGKILL.
_explained: int | None = None
_counting = False


def count_oom_kills() -> None:
    """Note, at the first call, how many processes the out-of-memory killer has killed so far."""
    global _counting, _explained
    if not _counting:
        _counting, _explained = True, _oom_kills()


def describe(exitcode: int) -> str:
    """Return the end of a sentence whose subject is the process."""
    if exitcode >= 0:
        return f"exited with code {exitcode}"
    from signal import Signals  # not cheap, and only for an error

    try:
        name = Signals(-exitcode).name
    except ValueError:
        name = f"signal {-exitcode}"
    return f"was killed by {name}{_memory_hint() if name == 'SIGKILL' else ''}"


def _memory_hint() -> str:
    """Return what the control group's counter says of a SIGKILL."""
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
    """Return how many processes of this control group were killed for memory.

    Returns:
        The counter of the nearest group that has one; None if none has.
    """
    for version, directory in cgroup.directories("memory", _ROOT):
        text = cgroup.read(os.path.join(directory, _COUNTER_FILES[version]))
        for line in text.splitlines():
            name, _, number = line.partition(" ")
            if name == "oom_kill" and number.isdigit():
                return int(number)
    return None
