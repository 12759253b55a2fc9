"""How many processors this process may use: the number of workers of a pool that is given none.

Idea: three things limit it. The number that the interpreter was given (``-X cpu_count``, from 3.13
on) counts alone. Else it is the number of processors that the process may run on (affinity), or
fewer, if its control group, or one around it, may use less of their time (a quota). The tightest
quota counts, rounded up. The worker of a pool has its share of these processors, so that a pool
inside of a worker does not multiply them.

Invariant: this module only reads. What is missing, empty, unreadable or not understood sets no
limit; the answer is never less than 1.

Layer: base.

Source: ``cpu.max`` in the kernel's admin-guide/cgroup-v2.rst, ``cpu.cfs_quota_us`` in
scheduler/sched-bwc.rst.
"""

from __future__ import annotations

import os
import sys

from . import cgroup, runtime

_PERIOD_US = 100_000  # of a quota that comes without a period: the kernel's default


def share() -> int:
    """Return how many of the usable processors are this process's share, 1 or more."""
    return max(1, usable() // runtime.cpu_sharers)


def usable() -> int:
    """Return how many processors this process may use, 1 or more."""
    configured = _configured()
    if configured:
        return configured
    count = len(os.sched_getaffinity(0))
    if count > 1:
        count = min(count, quota() or count)
    return count


def _configured() -> int | None:
    """The number that the interpreter was given, if it was."""
    get = getattr(sys, "_get_cpu_count_config", None)  # there is no public name for this
    number: int = get() if get is not None else -1
    return number if number > 0 else None


def quota(root: str = "/") -> int | None:
    """Return how many processors' time the control groups of this process allow, rounded up.

    Args:
        root: of the file system, for tests.
    Returns:
        1 or more; None if there is no limit.
    """
    allowed = [
        number
        for version, directory in cgroup.directories("cpu", root)
        if (number := _QUOTA[version](directory)) is not None
    ]
    return min(allowed, default=None)


def _quota_v2(directory: str) -> int | None:
    """Read ``cpu.max``: quota and period, in microseconds; or ``max``, for no limit."""
    words = cgroup.read(os.path.join(directory, "cpu.max")).split()
    return processors(*words[:2]) if words else None


def _quota_v1(directory: str) -> int | None:
    """Read ``cpu.cfs_quota_us``, which is -1 for no limit, and ``cpu.cfs_period_us``."""
    quota_us = cgroup.read(os.path.join(directory, "cpu.cfs_quota_us"))
    if not quota_us or quota_us.startswith("-"):
        return None
    return processors(quota_us, cgroup.read(os.path.join(directory, "cpu.cfs_period_us")))


_QUOTA = {cgroup.V1: _quota_v1, cgroup.V2: _quota_v2}


def processors(quota_us: str, period_us: str = "") -> int | None:
    """Return how many processors a quota is, rounded up; None if it is no limit, or no quota."""
    try:
        quota, period = int(quota_us), int(period_us or _PERIOD_US)
    except ValueError:
        return None  # "max", or an unknown word
    return -(-quota // period) if quota > 0 and period > 0 else None
